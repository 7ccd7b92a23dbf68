// Several gateways that count together through one ledger, on one line of simulated time.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include <sluice/control/ledger_book.h>
#include <sluice/limit/rate_limiter.h>

#include "model_ledger.h"
#include "prng.h"

namespace sluice::sim {

struct FleetPlan {
  enum class Fault : uint8_t { kNone, kPartition, kKill, kRestart, kFailover };

  uint64_t seed = 1;
  uint32_t gateways = 1;
  uint32_t shards = 1;  // Of each.
  config::LimitRule rule;
  Fault fault = Fault::kNone;
  Duration length = seconds(130);
  Duration tick = milliseconds(20);
  double arrivals = 100;     // A second, of all gateways.
  double first_share = 0.5;  // Of the first gateway.
  uint32_t amount_most = 1;  // Of a request of tokens.
  bool loses_messages = false;
  uint32_t upgrades = 0;  // At random moments, of random gateways.

  [[nodiscard]] static FleetPlan of_seed(uint64_t seed);
};

struct FleetResult {
  std::string violation;  // "" when every interval was within its bound.
  int64_t admitted = 0;
  int64_t refused = 0;
  int64_t upgrades = 0;
  std::vector<double> undershoots;  // At the first refusal of each window.
};

// Requests are admitted by the limiters of shards; those that must ask wait for the ledger's
// answer. Each admission is checked against all intervals that end with it.
class GatewayFleet {
 public:
  explicit GatewayFleet(const FleetPlan& plan);
  ~GatewayFleet();

  [[nodiscard]] FleetResult run();

 private:
  static constexpr microseconds kWaitMax{50'000};

  struct Gateway;
  struct Event {
    int64_t at = 0;
    uint64_t order = 0;
    std::function<void()> what;
    bool operator<(const Event& other) const noexcept {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  struct Spend {
    int64_t at = 0;
    int64_t amount = 0;
    uint64_t gateway = 0;  // Incarnation.
  };

  void at(int64_t time, std::function<void()> what);
  void start(size_t place);
  void kill(size_t place);
  // A successor over the same banks: both admit until no answer is on its way to the predecessor.
  void upgrade(size_t place);
  void hand_over(size_t place, uint64_t incarnation);
  // Of what a predecessor still has in flight, or waits for.
  void drain(uint64_t incarnation);
  [[nodiscard]] Gateway* find(uint64_t incarnation);
  void arrive(size_t place);
  void admit(Gateway& gateway, int64_t amount, int64_t waits_until);
  void note_admission(Gateway& gateway, int64_t amount);
  void tick(size_t place, uint64_t incarnation);
  void drive(Gateway& gateway);
  void send(Gateway& gateway, const control::LedgerCall& call);
  void plan_faults();
  void check_intervals(Gateway& gateway, int64_t amount);
  void check_spaced(int64_t amount);
  void check_concurrent();
  [[nodiscard]] int64_t bound() const;
  [[nodiscard]] bool listens(Gateway& gateway) const;
  [[nodiscard]] bool is_lost(const Gateway& gateway) const;
  void note_undershoot();
  void fail(const std::string& what);
  [[nodiscard]] MonoTime mono() const { return MonoTime(microseconds(now_)); }

  FleetPlan plan_;
  support::Prng random_;
  config::Snapshot config_;
  int64_t now_ = 0;
  uint64_t order_ = 0;
  std::priority_queue<Event> events_;
  std::vector<std::unique_ptr<Gateway>> gateways_;
  std::vector<std::unique_ptr<Gateway>> heirs_;    // By place, until the hand-over.
  std::vector<std::unique_ptr<Gateway>> leaving_;  // Predecessors.
  uint64_t incarnations_ = 0;
  support::ModelLedger ledger_;
  support::ModelLedger replica_;
  bool is_ledger_down_ = false;
  std::set<size_t> cut_off_;
  std::deque<std::pair<int64_t, int64_t>> grants_;  // Of the last moments.
  int64_t lost_grants_ = 0;                         // That a failover forgot.
  int64_t failed_over_at_ = -1;
  std::deque<Spend> spends_;
  std::vector<Spend> admitted_;  // Ever.
  int64_t spent_ = 0;
  std::vector<std::pair<uint64_t, int64_t>> lost_spends_;  // Incarnation, last one.
  double level_ = 0;                                       // Of the leaky bucket of even spacing.
  int64_t level_at_ = 0;
  int64_t undershoot_at_ = 0;
  FleetResult result_;
};

}  // namespace sluice::sim
