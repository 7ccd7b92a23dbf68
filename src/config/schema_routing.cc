#include "schema_routing.h"
#include "bounds.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fields.h"
#include "header_rules.h"

namespace sluice::config {
namespace {

constexpr uint32_t kWhole = 1000;  // Bounds of shares are in thousandths.
constexpr uint32_t kPercent = 10;
constexpr double kLoadFactorMax = 100;

constexpr std::array kRetryFields = {
    Field<RetrySettings>{"backoff", read_duration<&RetrySettings::backoff, 1, kMinute>},
    Field<RetrySettings>{"backoff_max", read_duration<&RetrySettings::backoff_max, 1, kHour>},
    Field<RetrySettings>{"budget", read_share<&RetrySettings::budget, 0, kWhole>},
    Field<RetrySettings>{"budget_min", read_number<&RetrySettings::budget_min, 0, 1'000'000>}};

void read_affinity_header(Walk& walk, const Node& node, Affinity& affinity) {
  const auto text = walk.text(node);
  if (!text) return;
  std::string name = header_name(*text);
  if (name.empty()) return walk.error(node, "is not a header's name", "write one as it is sent");
  affinity.header = std::move(name);
}

void read_load_factor(Walk& walk, const Node& node, Affinity& affinity) {
  const auto factor = walk.decimal(node, kLoadFactorMax);
  if (!factor) return;
  if (*factor < 1) {
    return walk.error(node, "must be 1 or more", "write 1.25: a quarter above the mean load");
  }
  affinity.load_factor = *factor;
}

constexpr std::array kAffinityFields = {
    Field<Affinity>{"header", read_affinity_header},
    Field<Affinity>{"prompt_bytes", read_number<&Affinity::prompt_bytes, 0, 1u << 20>},
    Field<Affinity>{"load_factor", read_load_factor},
    Field<Affinity>{"client_address", read_boolean<&Affinity::client_address>}};

constexpr std::array kQueueFields = {
    Field<QueueSettings>{"length_max", read_number<&QueueSettings::length_max, 0, 1'000'000>},
    Field<QueueSettings>{"wait_max", read_duration<&QueueSettings::wait_max, 10, kHour>}};

constexpr std::array kHedgeFields = {
    Field<HedgeSettings>{"quantile",
                         read_share<&HedgeSettings::quantile, 50 * kPercent, kWhole - 1>},
    Field<HedgeSettings>{"after_min", read_duration<&HedgeSettings::after_min, 1, kHour>},
    Field<HedgeSettings>{"budget", read_share<&HedgeSettings::budget, 1, kWhole>}};

void read_recovery_mode(Walk& walk, const Node& node, RecoverySettings& recovery) {
  static constexpr std::array<std::string_view, 3> kWords = {"off", "retry", "append"};
  const auto index = walk.choice(node, kWords);
  if (index) recovery.mode = static_cast<RecoveryMode>(*index);
}

constexpr std::array kRecoveryFields = {
    Field<RecoverySettings>{"mode", read_recovery_mode, Presence::kRequired},
    Field<RecoverySettings>{"bytes_max",
                            read_bytes<&RecoverySettings::bytes_max, kKiB, 1024 * kKiB * kKiB>}};

constexpr std::array kOutlierFields = {
    Field<OutlierSettings>{"interval", read_duration<&OutlierSettings::interval, 100, kHour>},
    Field<OutlierSettings>{"requests_min",
                           read_number<&OutlierSettings::requests_min, 1, 1'000'000>},
    Field<OutlierSettings>{"ratio_above", read_share<&OutlierSettings::ratio_above, 1, kWhole>},
    Field<OutlierSettings>{"eject_for",
                           read_duration<&OutlierSettings::eject_for, 100, 24 * kHour>},
    Field<OutlierSettings>{"share_max", read_share<&OutlierSettings::share_max, 1, kWhole>}};

}  // namespace

void read_retries(Walk& walk, const Node& node, RetrySettings& retries) {
  read_mapping(walk, node, kRetryFields, retries);
  if (node.kind != NodeKind::kMapping) return;
  if (find_key(node, "backoff_max") == nullptr) {
    retries.backoff_max = std::max(retries.backoff_max, retries.backoff);
  }
  if (retries.backoff_max >= retries.backoff) return;
  walk.error(node, "has a `backoff_max` that is shorter than its `backoff`",
             "raise backoff_max, or lower backoff");
}

void read_affinity(Walk& walk, const Node& node, Affinity& affinity) {
  read_mapping(walk, node, kAffinityFields, affinity);
}

void read_queue(Walk& walk, const Node& node, QueueSettings& queue) {
  if (is_off(node)) {
    queue.length_max = 0;
  } else {
    read_mapping(walk, node, kQueueFields, queue);
  }
}

void read_hedge(Walk& walk, const Node& node, std::optional<HedgeSettings>& hedge) {
  if (!is_off(node)) read_mapping(walk, node, kHedgeFields, hedge.emplace());
}

void read_recovery(Walk& walk, const Node& node, RecoverySettings& recovery) {
  if (node.kind == NodeKind::kScalar) {
    read_recovery_mode(walk, node, recovery);
  } else {
    read_mapping(walk, node, kRecoveryFields, recovery);
  }
}

void read_outliers(Walk& walk, const Node& node, std::optional<OutlierSettings>& outliers) {
  if (!is_off(node)) read_mapping(walk, node, kOutlierFields, outliers.emplace());
}

void read_strategy(Walk& walk, const Node& node, StrategyKind& strategy) {
  // In the order of StrategyKind.
  static constexpr std::array<std::string_view, 10> kWords = {
      "power_of_two",   "round_robin", "weighted",     "random",   "least_busy",
      "lowest_latency", "lowest_cost", "lowest_usage", "affinity", "failover"};
  static_assert(static_cast<size_t>(StrategyKind::kFailover) + 1 == kWords.size());
  const auto word = walk.text(node);
  if (!word) return;
  const auto found = std::ranges::find(kWords, *word);
  if (found != kWords.end()) {
    strategy = static_cast<StrategyKind>(found - kWords.begin());
    return;
  }
  const std::string_view near = nearest(*word, kWords);
  walk.error(node, fmt::format("must be one of: {}", fmt::join(kWords, ", ")),
             near.empty() ? "write one of them" : fmt::format("did you mean `{}`?", near));
}

void list_retry_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kRetryFields, prefix, names);
}
void list_affinity_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kAffinityFields, prefix, names);
}
void list_queue_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kQueueFields, prefix, names);
}
void list_hedge_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kHedgeFields, prefix, names);
}
void list_recovery_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kRecoveryFields, prefix, names);
}
void list_outlier_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kOutlierFields, prefix, names);
}

}  // namespace sluice::config
