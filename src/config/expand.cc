#include "expand.h"

#include <fmt/format.h>

namespace sluice::config {
namespace {

constexpr size_t kExpandedBytesMax = 64 * 1024;

bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Takes a default up to its closing brace off `rest`, with the escapes resolved.
std::expected<std::string, Fault> take_default(std::string_view& rest) {
  std::string text;
  for (size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '}') {
      rest.remove_prefix(i + 1);
      return text;
    }
    const char next = i + 1 < rest.size() ? rest[i + 1] : '\0';
    if (c == '$' && next == '{') {
      return std::unexpected(Fault{"has a variable within the default of a variable",
                                   "write the default out, or `\\$` for a plain dollar sign"});
    }
    if (c == '\\' && (next == '}' || next == '\\' || next == '$')) {
      text += next;
      ++i;
      continue;
    }
    text += c;
  }
  return std::unexpected(
      Fault{"has a `${` without its `}`", "close the variable, or write `$${` for a plain `${`"});
}

// Takes "NAME}" or "NAME:default}" off `rest` and returns what stands for it.
std::expected<std::string, Fault> take_variable(std::string_view& rest,
                                                const Environment& environment) {
  const size_t end = rest.find_first_of(":}");
  if (end == std::string_view::npos) return take_default(rest);
  const std::string name(rest.substr(0, end));
  if (!is_variable_name(name)) {
    return std::unexpected(Fault{"has a `${` that is not followed by a variable's name",
                                 "write `${NAME}`, or `$${` for a plain `${`"});
  }
  const bool has_default = rest[end] == ':';
  rest.remove_prefix(end + 1);
  std::string fallback;
  if (has_default) {
    auto text = take_default(rest);
    if (!text) return text;
    fallback = std::move(*text);
  }
  if (auto value = environment.variable(name); value && !value->empty()) return std::move(*value);
  if (has_default) return fallback;
  return std::unexpected(
      Fault{fmt::format("needs the variable {}, which is not set or is empty", name),
            fmt::format("set {}, or give a default as ${{{}:default}}", name, name)});
}

}  // namespace

bool is_variable_name(std::string_view name) noexcept {
  if (name.empty() || !is_letter(name[0])) return false;
  for (const char c : name) {
    if (!is_letter(c) && (c < '0' || c > '9')) return false;
  }
  return true;
}

std::expected<std::string, Fault> expand(std::string_view raw, const Environment& environment) {
  std::string text;
  std::string_view rest = raw;
  for (size_t dollar = rest.find('$'); dollar != std::string_view::npos; dollar = rest.find('$')) {
    text += rest.substr(0, dollar);
    rest.remove_prefix(dollar);
    if (rest.starts_with("$${")) {
      text += "${";
      rest.remove_prefix(3);
    } else if (rest.starts_with("${")) {
      rest.remove_prefix(2);
      auto value = take_variable(rest, environment);
      if (!value) return value;
      text += *value;
    } else {
      text += '$';
      rest.remove_prefix(1);
    }
    if (text.size() > kExpandedBytesMax) {
      return std::unexpected(
          Fault{"is longer than 64KiB once its variables are filled in", "shorten the variables"});
    }
  }
  text += rest;
  return text;
}

}  // namespace sluice::config
