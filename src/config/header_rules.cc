#include "header_rules.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace sluice::config {
namespace {

constexpr size_t kNameBytesMax = 128;

constexpr std::array<std::string_view, 9> kHopByHop = {
    "host",    "content-length", "transfer-encoding", "connection", "te",
    "upgrade", "keep-alive",     "trailer",           "expect"};

// What describes the body is written by Sluice itself, and answers must stay readable for usage.
constexpr std::array<std::string_view, 3> kOfTheBody = {"content-type", "content-encoding",
                                                        "accept-encoding"};

constexpr std::array<std::string_view, 4> kClientSecrets = {"authorization", "cookie", "x-api-key",
                                                            "api-key"};

template <size_t N>
bool holds(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<Fault> refuse_framing(std::string_view name) {
  if (holds(kHopByHop, name) || name.starts_with("proxy-")) {
    return Fault{fmt::format("names `{}`, which belongs to one connection only", name),
                 "remove it; Sluice writes what is needed"};
  }
  if (holds(kOfTheBody, name)) {
    return Fault{fmt::format("names `{}`, which Sluice decides itself", name), "remove it"};
  }
  return std::nullopt;
}

}  // namespace

std::string header_name(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  if (text.size() > kNameBytesMax) return {};
  std::string name(text);
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool is_alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!is_alnum && kMarks.find(c) == std::string_view::npos) return {};
  }
  return name;
}

std::optional<Fault> refuse_upstream_header(std::string_view name) { return refuse_framing(name); }

std::optional<Fault> refuse_forward_header(std::string_view name) {
  if (holds(kClientSecrets, name)) {
    return Fault{fmt::format("names `{}`, which carries a client's secret", name),
                 "remove it; upstreams get their own `credential`"};
  }
  return refuse_framing(name);
}

bool is_header_value(std::string_view value) noexcept {
  if (value.empty() || value.front() == ' ' || value.back() == ' ') return false;
  return std::all_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
}

}  // namespace sluice::config
