#include "router.h"

#include <algorithm>
#include <array>

#include "rows.h"

namespace sluice::admin {
namespace {

std::vector<Route> join_rows() {
  std::vector<Route> all;
  for (const std::span<const Route> rows :
       {key_rows(),     sync_rows(),    owner_rows(),   audit_rows(),       usage_rows(),
        spend_rows(),   limit_rows(),   config_rows(),  reload_rows(),      upstream_rows(),
        order_rows(),   shard_rows(),   top_rows(),     log_level_rows(),   drain_rows(),
        upgrade_rows(), version_rows(), openapi_rows(), litellm_key_rows(), litellm_team_rows()}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view take_segment(std::string_view& path) noexcept {
  path.remove_prefix(1);  // Its slash.
  const size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

bool is_place(std::string_view segment) noexcept { return segment.starts_with('{'); }
bool is_long_place(std::string_view segment) noexcept { return segment.ends_with("...}"); }

// What a long place stands for: all but what the rest of the pattern needs, slashes included.
std::string_view take_long(std::string_view pattern_rest, std::string_view& path) noexcept {
  const auto segments = std::ranges::count(pattern_rest, '/');
  size_t end = path.size();
  for (auto i = segments; i > 0 && end != std::string_view::npos && end > 0; --i) {
    end = path.rfind('/', end - 1);
  }
  if (end == std::string_view::npos || end < 2) return {};
  const std::string_view taken = path.substr(1, end - 1);
  path.remove_prefix(end);
  return taken;
}

// The methods of each path, for the allow header, in static storage.
std::string_view allow_text(unsigned methods) noexcept {
  using enum http::Method;
  static const auto kTexts = [] {
    std::array<std::string, 32> texts;
    constexpr std::array kOrder = {kGet, kPost, kPut, kPatch, kDelete};
    for (size_t set = 0; set < texts.size(); ++set) {
      for (size_t i = 0; i < kOrder.size(); ++i) {
        if ((set >> i & 1) == 0) continue;
        if (!texts[set].empty()) texts[set] += ", ";
        texts[set] += http::to_string(kOrder[i]);
      }
    }
    return texts;
  }();
  return kTexts[methods];
}

unsigned bit_of(http::Method method) noexcept {
  switch (method) {
    case http::Method::kGet: return 1;
    case http::Method::kPost: return 2;
    case http::Method::kPut: return 4;
    case http::Method::kPatch: return 8;
    case http::Method::kDelete: return 16;
    default: return 0;
  }
}

}  // namespace

std::span<const Route> routes() {
  static const std::vector<Route> kRoutes = join_rows();
  return kRoutes;
}

Match find_route(std::string_view path, http::Method method) {
  Match match;
  unsigned methods = 0;
  size_t fewest = SIZE_MAX;
  for (const Route& route : routes()) {
    auto places = match_path(route.path, path);
    if (!places) continue;
    // "/v1/keys/sync" is no key of the name sync.
    if (places->size() > fewest) continue;
    if (places->size() < fewest) {
      methods = 0;
      match.route = nullptr;
      fewest = places->size();
    }
    methods |= bit_of(route.method);
    if (route.method == method) {
      match.route = &route;
      match.places = std::move(*places);
    }
  }
  match.allow = allow_text(methods);
  return match;
}

std::optional<std::vector<std::string>> match_path(std::string_view pattern,
                                                   std::string_view path) {
  std::vector<std::string> places;
  while (!pattern.empty() && !path.empty()) {
    if (!path.starts_with('/')) return std::nullopt;
    const std::string_view expected = take_segment(pattern);
    if (!is_place(expected)) {
      if (take_segment(path) != expected) return std::nullopt;
      continue;
    }
    const std::string_view found =
        is_long_place(expected) ? take_long(pattern, path) : take_segment(path);
    auto decoded = decode_percent(found, false);
    if (!decoded || decoded->empty()) return std::nullopt;
    places.push_back(std::move(*decoded));
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return places;
}

std::optional<std::string> decode_percent(std::string_view text, bool is_query) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && is_query) c = ' ';
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = digit_of(text[i + 1]);
      const int low = digit_of(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    out += c;
  }
  return out;
}

}  // namespace sluice::admin
