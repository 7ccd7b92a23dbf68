#include "schema_failures.h"
#include "bounds.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "fields.h"
#include "schema.h"

namespace sluice::config {
namespace {

constexpr uint32_t kWhole = 1000;  // Bounds of shares are in thousandths.
constexpr uint16_t kStatusMin = 300;
constexpr uint16_t kStatusMax = 599;
constexpr size_t kBodyPartBytesMax = 256;
constexpr size_t kHealthPathBytesMax = 1024;
// What a client's own mistake is answered with (D30, D31).
constexpr std::array<uint16_t, 6> kMistakes = {400, 403, 404, 413, 415, 422};

constexpr std::array kBreakerFields = {
    Field<BreakerSettings>{"failure_ratio", read_share<&BreakerSettings::failure_ratio, 1, kWhole>},
    Field<BreakerSettings>{"requests_min",
                           read_number<&BreakerSettings::requests_min, 1, 1'000'000>},
    Field<BreakerSettings>{"window", read_duration<&BreakerSettings::window, kSecond, kHour>},
    Field<BreakerSettings>{"consecutive", read_number<&BreakerSettings::consecutive, 1, 1'000'000>},
    Field<BreakerSettings>{"open_for", read_duration<&BreakerSettings::open_for, 100, 24 * kHour>},
    Field<BreakerSettings>{"probes", read_number<&BreakerSettings::probes, 1, 100>},
    Field<BreakerSettings>{"successes", read_number<&BreakerSettings::successes, 1, 1000>}};

constexpr std::array kCooldownFields = {
    Field<CooldownSettings>{"after_429",
                            read_duration<&CooldownSettings::after_429, 0, 24 * kHour>},
    Field<CooldownSettings>{"max", read_duration<&CooldownSettings::max, 0, 24 * kHour>}};

std::optional<uint16_t> parse_status(std::string_view text) noexcept {
  uint16_t status = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (text.size() != 3 || error != std::errc{} || stop != text.data() + text.size()) {
    return std::nullopt;
  }
  return status;
}

// "503", "4xx" or "500-599".
bool parse_statuses(std::string_view text, FailureRule& rule) noexcept {
  if (text.size() == 3 && text.ends_with("xx") && text[0] >= '3' && text[0] <= '5') {
    rule.status_min = static_cast<uint16_t>(100 * (text[0] - '0'));
    rule.status_max = rule.status_min + 99;
    return true;
  }
  const size_t dash = text.find('-');
  const auto first = parse_status(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_status(text.substr(dash + 1));
  if (!first || !last || *first > *last || *first < kStatusMin || *last > kStatusMax) return false;
  rule.status_min = *first;
  rule.status_max = *last;
  return true;
}

void read_statuses(Walk& walk, const Node& node, FailureRule& rule) {
  const auto text = walk.text(node);
  if (!text || parse_statuses(*text, rule)) return;
  walk.error(node, "must be a status from 300 to 599, or a range of them",
             "write it as 503, 5xx or 500-504");
}

void read_body_part(Walk& walk, const Node& node, FailureRule& rule) {
  auto text = walk.text(node);
  if (!text) return;
  if (text->size() > kBodyPartBytesMax) {
    return walk.error(node, "is longer than 256 bytes", "write the part that tells it apart");
  }
  rule.body = std::move(*text);
}

constexpr std::array kFailureFields = {
    Field<FailureRule>{"status", read_statuses, Presence::kRequired},
    Field<FailureRule>{"body", read_body_part},
    Field<FailureRule>{"retry", read_boolean<&FailureRule::retries>},
    Field<FailureRule>{"counts", read_boolean<&FailureRule::counts>},
    Field<FailureRule>{"cooldown", read_duration<&FailureRule::cooldown, 0, 24 * kHour>}};

void read_health_path(Walk& walk, const Node& node, HealthCheck& health) {
  auto path = walk.text(node);
  if (!path) return;
  const bool is_target =
      path->starts_with('/') && path->size() <= kHealthPathBytesMax &&
      std::ranges::all_of(*path, [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
  if (!is_target) {
    return walk.error(node, "must begin with '/' and be at most 1024 visible ASCII characters",
                      "write it as /health");
  }
  health.path = std::move(*path);
}

void read_health_model(Walk& walk, const Node& node, HealthCheck& health) {
  if (auto name = read_model_name(walk, node)) health.model = std::move(*name);
}

constexpr std::array kHealthFields = {
    Field<HealthCheck>{"path", read_health_path},
    Field<HealthCheck>{"model", read_health_model},
    Field<HealthCheck>{"interval", read_duration<&HealthCheck::interval, 100, 24 * kHour>},
    Field<HealthCheck>{"timeout", read_duration<&HealthCheck::timeout, 10, kHour>},
    Field<HealthCheck>{"unhealthy_after", read_number<&HealthCheck::unhealthy_after, 1, 1000>},
    Field<HealthCheck>{"healthy_after", read_number<&HealthCheck::healthy_after, 1, 1000>}};

}  // namespace

void read_breaker(Walk& walk, const Node& node, BreakerSettings& breaker) {
  if (is_off(node)) {
    breaker.enabled = false;
  } else {
    read_mapping(walk, node, kBreakerFields, breaker);
  }
}

void read_cooldown(Walk& walk, const Node& node, CooldownSettings& cooldown) {
  read_mapping(walk, node, kCooldownFields, cooldown);
  if (node.kind != NodeKind::kMapping) return;
  if (find_key(node, "max") == nullptr) {
    cooldown.max = std::max(cooldown.max, cooldown.after_429);
  }
  if (cooldown.max >= cooldown.after_429) return;
  walk.error(node, "has a `max` that is shorter than its `after_429`",
             "raise max, or lower after_429");
}

void read_failures(Walk& walk, const Node& node, CooldownSettings& cooldown) {
  read_list(walk, node, kFailureRulesMax, [&](const Node& item, size_t) {
    FailureRule& rule = cooldown.rules.emplace_back();
    read_mapping(walk, item, kFailureFields, rule);
    const bool is_against_deployment = rule.counts || rule.cooldown > Duration::zero();
    const bool is_for_mistakes = std::ranges::any_of(kMistakes, [&](uint16_t status) {
      return status >= rule.status_min && status <= rule.status_max;
    });
    if (!is_against_deployment || !is_for_mistakes || !rule.body.empty()) return;
    walk.warn(item, "counts answers that a client's own mistake causes against the upstream",
              "add a `body` that tells them apart, or write `counts: false` without `cooldown`");
  });
}

void read_health(Walk& walk, const Node& node, std::optional<HealthCheck>& optional_health) {
  if (is_off(node)) return;
  HealthCheck& health = optional_health.emplace();
  read_mapping(walk, node, kHealthFields, health);
  if (node.kind != NodeKind::kMapping) return;
  if (find_key(node, "path") != nullptr && find_key(node, "model") != nullptr) {
    walk.error(node, "has both `path` and `model`", "keep one of the two");
  }
  if (find_key(node, "timeout") == nullptr) {
    health.timeout = std::min(health.timeout, health.interval);
  }
  if (health.timeout > health.interval) {
    walk.error(node, "has a `timeout` that is longer than its `interval`",
               "lower timeout, or raise interval");
  }
}

void list_breaker_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kBreakerFields, prefix, names);
}
void list_cooldown_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kCooldownFields, prefix, names);
}
void list_failure_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kFailureFields, prefix, names);
}
void list_health_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kHealthFields, prefix, names);
}

}  // namespace sluice::config
