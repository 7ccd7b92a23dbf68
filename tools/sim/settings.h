// Reading "name=value&name=value", for the shape of a request and the standing of the server.
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace sluice::sim {

template <class Number>
std::optional<Number> parse_number(std::string_view text, Number least, Number most) noexcept {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!(value >= least && value <= most)) return std::nullopt;
  return value;
}

// False, with nothing changed, without a value.
template <class Number>
bool assign(Number* target, std::optional<Number> value) noexcept {
  if (!value) return false;
  *target = *value;
  return true;
}

inline bool assign_flag(bool* target, std::string_view text) noexcept {
  if (text != "1" && text != "0" && text != "true" && text != "false") return false;
  *target = text == "1" || text == "true";
  return true;
}

// Calls `set(name, value)` for each setting, up to the first that it refuses; false then.
template <class Set>
bool for_each_setting(std::string_view text, const Set& set) noexcept {
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view setting = text.substr(0, end);
    const size_t equals = setting.find('=');
    if (equals == std::string_view::npos) return false;
    if (!set(setting.substr(0, equals), setting.substr(equals + 1))) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

}  // namespace sluice::sim
