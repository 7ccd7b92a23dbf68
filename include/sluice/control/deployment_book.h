// What is known of every deployment over all shards, and what each shard is told of it.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/base/log.h>
#include <sluice/config/snapshot.h>
#include <sluice/control/gateway_stats.h>
#include <sluice/metrics/registry.h>
#include <sluice/resilience/deployment_health.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::control {

// What an operator, an active check or the comparison with others has decided.
struct DeploymentOrders {
  MonoTime cooldown_at = MonoTime::min();
  MonoTime cooldown_until = MonoTime::min();
  MonoTime breaker_closed_at = MonoTime::min();
  MonoTime ejected_until = MonoTime::min();
  bool is_down = false;
  bool is_drained = false;
  bool operator==(const DeploymentOrders&) const = default;
};

// One deployment as people want to see it. Amounts are this gateway's own.
struct DeploymentView {
  int64_t in_flight = 0;
  Duration first_token{};  // Means; zero while nothing is known.
  Duration whole{};
  uint64_t minute_tokens = 0;
  // Of the attempts in the last window, those that failed by the deployment's own fault.
  uint64_t recent_attempts = 0;
  uint64_t recent_failures = 0;
  // The last changes, wherever they happened.
  resilience::BreakerChange breaker;
  resilience::CooldownChange cooldown;
  DeploymentOrders orders;
};

// Reads the shards' cells, which may be one tick old, and never waits for a shard. Each shard
// counts for itself what it knows and is told the sum of the others, so nothing is counted twice.
// Of breakers and cooldowns the last change anywhere holds everywhere, and is logged once.
// Other gateways count as one more shard, but for breakers: a path that is broken here need not be
// broken there.
//
// Control thread only.
class DeploymentBook {
 public:
  // How far apart merges are: shards judge by what is at most this old, and a tick.
  static constexpr Duration kPeriod = milliseconds(100);

  // How far back the counts of a DeploymentView reach, to a tenth more.
  static constexpr Duration kRecent = seconds(30);

  DeploymentBook(const metrics::Registry& registry, Logger& log) noexcept
      : registry_(registry), log_(log) {}
  DeploymentBook(const DeploymentBook&) = delete;
  DeploymentBook& operator=(const DeploymentBook&) = delete;

  // Turns to another configuration. Orders stand by name and survive.
  void follow(const config::Snapshot& snapshot);

  // The next merge is due at once: something has changed that all should know.
  void hurry() noexcept { is_hurried_ = true; }
  [[nodiscard]] bool is_hurried() const noexcept { return is_hurried_; }
  // What each shard is to be told, by ShardId; empty when it is not time yet or nothing is new.
  [[nodiscard]] std::vector<upstream::UpdateDeployments> merge(MonoTime now);

  // By position in the snapshot; of the last merge.
  [[nodiscard]] DeploymentView view(UpstreamId upstream) const;
  // To be changed by whoever decides; told with the next merge. Null for a name not configured.
  [[nodiscard]] DeploymentOrders* orders(std::string_view name);

  // What this gateway knows by itself, read at once; never what it heard, lest it comes back.
  [[nodiscard]] OwnStatsByName own_stats(MonoTime now) const;
  // What other gateways know, in place of what was heard before; hurries the next merge. A cooldown
  // that was heard stays when they fall silent. Names that are not configured are ignored.
  void hear(const OthersStatsByName& others);

  // An operator's rest for a deployment, in place of any that it has. False for a name not
  // configured, also below.
  [[nodiscard]] bool cool(std::string_view name, MonoTime now, Duration length);
  // Ends what keeps requests away for a time: a cooldown, an open breaker, an ejection.
  [[nodiscard]] bool clear(std::string_view name, MonoTime now);

 private:
  // One shard's cells, read once.
  struct Reading {
    int64_t in_flight = 0;
    Duration first_token{};
    Duration whole{};
    uint64_t tokens = 0;
    uint64_t attempts = 0;
    uint64_t failures = 0;
    upstream::DeploymentNews changes;  // The stamped fields only.
  };
  // Sums at one moment.
  struct Mark {
    MonoTime at;
    uint64_t attempts = 0;
    uint64_t failures = 0;
  };
  struct Row {
    const metrics::NamedCells<metrics::UpstreamCells>* cells = nullptr;
    DeploymentOrders* orders = nullptr;
    std::vector<uint64_t> tokens_before;  // By shard: at the beginning of this minute.
    std::deque<Mark> marks;  // Never empty; a tenth of kRecent apart; the first is the base.
    DeploymentView view;
    OthersStats others;                     // Other gateways.
    resilience::CooldownChange heard_rest;  // The last cooldown that they told of.
  };

  void merge_row(Row& row, MonoTime now, size_t index,
                 std::vector<upstream::UpdateDeployments>& updates);
  [[nodiscard]] static Reading read(const metrics::UpstreamCells& cells);
  // Keeps the marks, and returns the one that recent counts begin at.
  [[nodiscard]] static Mark base_of(std::deque<Mark>& marks, const Mark& sums);
  void log_changes(const Row& row, const DeploymentView& after, MonoTime now);
  [[nodiscard]] Row* find(std::string_view name);
  void turn_minute(MonoTime now);

  const metrics::Registry& registry_;
  Logger& log_;
  uint64_t generation_ = 0;
  std::vector<Row> rows_;  // By UpstreamId.
  // By name; as many as were ever configured.
  std::map<std::string, DeploymentOrders, std::less<>> orders_;
  std::vector<upstream::UpdateDeployments> told_;
  MonoTime merged_at_ = MonoTime::min();
  bool is_hurried_ = false;
  int64_t minute_ = 0;
};

}  // namespace sluice::control
