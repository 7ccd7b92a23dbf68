#include <array>
#include <optional>

#include <sluice/base/units.h>
#include <sluice/json/writer.h>

#include "command.h"

namespace sluice::admin {
namespace {

using control::UpstreamOrder;

constexpr std::string_view kBefore = "/v1/upstreams/";
constexpr Duration kCooldownMax = seconds(24 * 3600);

// Takes `token` off the front, with the space before it.
bool take(std::string_view& text, std::string_view token) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (!text.starts_with(token)) return false;
  text.remove_prefix(token.size());
  return true;
}

// Of {"for": "30s"}; empty for anything else.
std::optional<Duration> read_length(std::string_view body) noexcept {
  const bool has_begun = take(body, "{") && take(body, "\"for\"") && take(body, ":");
  if (!has_begun || !take(body, "\"")) return std::nullopt;
  const size_t end = body.find('"');
  if (end == std::string_view::npos) return std::nullopt;
  const std::optional<Duration> length = parse_duration(body.substr(0, end));
  body.remove_prefix(end + 1);
  if (!take(body, "}") || !take(body, "") || !body.empty()) return std::nullopt;
  if (!length || *length <= Duration::zero() || *length > kCooldownMax) return std::nullopt;
  return length;
}

}  // namespace

const UpstreamVerb* find_upstream_verb(std::string_view path, std::string_view* upstream) noexcept {
  static constexpr std::array<UpstreamVerb, 4> kVerbs = {{{"/cooldown", UpstreamOrder::kCooldown},
                                                          {"/clear", UpstreamOrder::kClear},
                                                          {"/drain", UpstreamOrder::kDrain},
                                                          {"/undrain", UpstreamOrder::kUndrain}}};
  if (!path.starts_with(kBefore)) return nullptr;
  path.remove_prefix(kBefore.size());
  for (const UpstreamVerb& verb : kVerbs) {
    // The names of discovered upstreams have slashes of their own.
    if (!path.ends_with(verb.name) || path.size() == verb.name.size()) continue;
    *upstream = path.substr(0, path.size() - verb.name.size());
    return &verb;
  }
  return nullptr;
}

control::SmallAnswer order_upstream(const AdminParts& parts, std::string_view upstream,
                                    UpstreamOrder order, std::string_view body) {
  Duration length{};
  if (order == UpstreamOrder::kCooldown) {
    const std::optional<Duration> asked = read_length(body);
    if (!asked) {
      return control::error_answer(400, "invalid_request",
                                   "send {\"for\": \"30s\"}, with a time of at most 24 hours");
    }
    length = *asked;
  }
  if (!parts.operations.order(upstream, order, length, "the admin socket")) {
    return control::error_answer(404, "unknown_upstream",
                                 "no upstream of this name; GET /v1/upstreams lists them");
  }
  control::SmallAnswer answer;
  json::Writer(answer.body).begin_object().key("upstream").string(upstream).end_object();
  return answer;
}

}  // namespace sluice::admin
