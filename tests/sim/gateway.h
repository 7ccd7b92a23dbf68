// A whole gateway in a simulated world: its shards, each with a ring of its own, and what the
// control thread is to them, on a ring beside theirs.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sluice/base/log.h>
#include <sluice/control/address_book.h>
#include <sluice/control/deployment_book.h>
#include <sluice/control/drain.h>
#include <sluice/control/limit_reconciler.h>
#include <sluice/control/place_table.h>
#include <sluice/control/publisher.h>
#include <sluice/control/shard_port.h>
#include <sluice/metrics/registry.h>
#include <sluice/server/worker.h>
#include <sluice/telemetry/record_ring.h>

#include "outside_parties.h"
#include "sim_threads.h"

namespace sluice::sim {

struct GatewayOptions {
  uint32_t shards = 2;
  net::Address address;  // Where clients connect to; others may listen there, too.
  std::string config;    // Without `listen` and `development`, which are added.
  uint64_t budget_bytes = 256u << 20;
  io::BufferLimits buffers{.hot = 64, .most = 256};
  Duration tick = milliseconds(20);
  // What limits are counted in together with others; null counts here alone. Outlives the gateway.
  SimLedger* ledger = nullptr;
  uint32_t gateways = 1;  // That share it.
  // Finds names; outlives the gateway.
  net::Resolver* resolver = nullptr;
  int banks_fd = -1;  // Of a predecessor's limits; taken over.
};

// Control's files, lanes and reports are left out; its state machines are the real ones.
class Gateway final : private io::TurnHook {
 public:
  // The threads run with the next step. All arguments outlive the gateway.
  Gateway(support::SimWorld& world, support::SimThreads& threads, const GatewayOptions& options);
  // Its threads have ended.
  ~Gateway() override;
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Each may be called from within the simulation at any time; ignored once it drains.
  void reload(std::string config);
  void drain(Duration timeout);
  // Drains for a successor that shares the limits, and leaves to it what it knows of the ledger.
  void hand_over(Duration timeout);

  [[nodiscard]] bool has_ended() const;
  [[nodiscard]] bool is_draining() const noexcept { return drain_.has_begun(); }
  [[nodiscard]] int share_banks() const noexcept { return banks_->share_fd(); }
  [[nodiscard]] bool knows_ledger() const noexcept { return limits_.is_up(); }

  // What was recorded since the last call, in the order of each shard.
  void take_records(const std::function<void(const telemetry::AccessRecord&)>& visit);
  void take_spends(const std::function<void(const usage::SpendRecord&)>& visit);

  // "" or what a gauge shows that cannot be, at any time.
  [[nodiscard]] std::string find_impossible_gauge();
  [[nodiscard]] uint32_t connections() const;
  // Nothing runs: all that requests held has come back.
  void expect_idle();
  // After has_ended(): nothing is left.
  void expect_nothing_left();

 private:
  struct Shard;

  static constexpr uint32_t kRecordsMax = 4096;
  static constexpr Duration kResolveTime = seconds(2);

  // io::TurnHook of the control ring.
  [[nodiscard]] bool has_work() const noexcept override;
  void run() override;

  void errand(std::function<void()> what);
  void start_shard(Shard& shard, upstream::AdoptSnapshot first);
  void serve();
  Task<void> open();
  Task<void> put_in_force(std::unique_ptr<config::Snapshot> snapshot);
  Task<void> reload_later(std::string config);
  Task<void> tick();
  Task<void> leave_limits();
  Task<void> end_own_tasks();
  void hear(Shard& shard);
  void merge();
  template <class Command>
  void send_to_all(const Command& command);
  void send(const control::ShardPort& port, upstream::ShardCommand command);
  void remember_banks(const upstream::SnapshotPlaces& places);
  void begin_drain(Duration timeout);

  support::SimWorld& world_;
  support::SimThreads& threads_;
  GatewayOptions options_;
  support::SimProcess process_;
  NullLogger log_;
  metrics::Registry registry_;
  ByteBudget budget_;
  std::unique_ptr<limit::BankTable> banks_;
  support::SimKernel& kernel_;
  std::unique_ptr<io::Ring> ring_;
  control::Publisher publisher_{registry_};
  control::PlaceTable places_;
  control::DeploymentBook book_{registry_, log_};
  control::AddressBook addresses_;
  control::LimitReconciler limits_;
  control::Drain drain_;
  shard::Gate gate_;
  io::Timer timer_;
  io::Event hurried_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::deque<std::function<void()>> errands_;  // Of the test, done on the control thread.
  std::vector<PlaceBank*> place_banks_;        // All that the shards were ever given.
  std::optional<Duration> drains_in_;          // Once a reload that runs is over.
  bool has_opened_ = false;
  bool is_reloading_ = false;
  bool is_handing_over_ = false;
  bool has_ended_ = false;
};

}  // namespace sluice::sim
