// One shard in a simulated world: a worker on a ring of the simulated kernel, what control would be
// to it, and the look at everything it must have given back.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/auth/key_messages.h>
#include <sluice/base/log.h>
#include <sluice/config/snapshot.h>
#include <sluice/control/deployment_book.h>
#include <sluice/control/place_table.h>
#include <sluice/metrics/registry.h>
#include <sluice/server/worker.h>
#include <sluice/telemetry/record_ring.h>

#include "sim_world.h"

namespace sluice::sim {

// A record without the storage of the ring, for tests to look at.
struct Settled {
  std::string request_id;
  telemetry::AccessRecord record;
};

struct ShardOptions {
  support::SimOptions world;
  std::string config;  // Without `listen` and `development`, which are added.
  uint64_t budget_bytes = 256u << 20;
  bool is_secured = false;  // TLS to clients and to all upstreams, as the configuration then says.
  std::string preface;      // What clients say before TLS.
  std::string protocol;     // What they ask for by ALPN; "" for nothing.
  io::BufferLimits buffers{.hot = 64, .most = 256};
  // Tells the shard what the deployments' cells say of the other shards, as control does.
  // Allocates.
  bool merges = true;
  // Changes each configuration after it was loaded; for what the file would name files for.
  std::function<void(config::Snapshot&)> adjust;
  // What the ring is given in place of the simulated kernel, when set.
  std::function<std::unique_ptr<io::Kernel>(io::Kernel&)> wrap_kernel;
};

// Plays the control thread's part: hands snapshots over with the process's places, merges what is
// known of deployments, collects reports and access records, and spoils a snapshot in the turn in
// which the shard gives it back.
class ShardWorld {
 public:
  explicit ShardWorld(ShardOptions options);
  ~ShardWorld();
  ShardWorld(const ShardWorld&) = delete;
  ShardWorld& operator=(const ShardWorld&) = delete;

  [[nodiscard]] support::SimWorld& world() noexcept { return world_; }
  [[nodiscard]] io::Ring& ring() noexcept { return *ring_; }
  [[nodiscard]] server::Worker& worker() noexcept { return *worker_; }
  [[nodiscard]] ByteBudget& budget() noexcept { return budget_; }
  [[nodiscard]] metrics::ShardCells& cells() noexcept { return registry_.shard(ShardId{0}); }
  [[nodiscard]] metrics::UpstreamCells& upstream_cells(std::string_view name);
  [[nodiscard]] metrics::ModelCells& model_cells(std::string_view name);
  [[nodiscard]] metrics::LimitCells& limit_cells(std::string_view name) {
    return *registry_.limits().find(name).by_shard[0];
  }
  // What an operator or a check decides; told with the next merge.
  [[nodiscard]] control::DeploymentOrders& orders(std::string_view name);
  // Where clients connect to.
  [[nodiscard]] static net::Address address() { return support::sim_address("10.0.0.1", 8080); }

  // The keys of a store from now on, as control tells the shard; earlier ones are gone then.
  void adopt_keys(const std::vector<auth::KeyRecord>& keys,
                  const std::vector<auth::Owner>& owners = {});
  // What the shard asks of key sources, in order, since the last call.
  [[nodiscard]] std::vector<std::unique_ptr<auth::KeyAsked>> take_asked();
  // Of the present configuration, or of one that the shard has not adopted yet.
  void answer(auth::LookupAnswered answered, uint64_t generations_ahead = 0);

  // Subjects that a limit counts for.
  [[nodiscard]] uint32_t limit_subjects() const noexcept { return limit_banks_->in_use(); }

  // From now on limits that are counted for several gateways lend only what answer_limits() grants.
  void connect_limits() noexcept { limit_banks_->set_ledger(limit::BankTable::Ledger::kUp, 1); }
  // Grants what was asked for, `most` in sum; where that is not enough nothing more will come. As
  // control does with the ledger's answer.
  void answer_limits(int64_t most);
  // Of others; nothing for those who have asked here.
  void answer_grants() { command(upstream::GrantsCame{}); }

  void adopt(const std::string& config);
  void begin_drain() { command(upstream::BeginDrain{}); }
  void cut_streams() { command(upstream::CutStreams{}); }
  void kill_streams() { command(upstream::KillStreams{}); }

  // Turns until `is_done()`, as SimWorld::run_until() does.
  bool run_until(const std::function<bool()>& is_done, uint64_t turns_max = 2'000'000);
  bool run_for(Duration duration);

  // The shard has said so and has ended; its ring is gone.
  [[nodiscard]] bool is_drained() const noexcept { return drained_ > 0; }
  // Access records so far, in the order in which they were settled.
  [[nodiscard]] const std::vector<Settled>& records() const noexcept { return records_; }
  [[nodiscard]] std::vector<Settled> records_of(std::string_view request_id) const;

  // Exchanges, connections, bytes and operations must all be gone once every client is; then
  // drains, if that was not begun, and expects the shard to end with nothing left behind.
  void expect_clean_end();

 private:
  void command(upstream::ShardCommand command);
  [[nodiscard]] upstream::AdoptSnapshot prepare(const std::string& config);
  void look();
  void hear_of_keys();
  void merge();
  void remember_banks(const upstream::SnapshotPlaces& places);
  // What must be given back when nothing runs, whether the shard goes on or not.
  void expect_idle();
  void end_shard();

  support::SimWorld world_;
  metrics::Registry registry_{1};
  control::PlaceTable places_{1};
  NullLogger log_;
  control::DeploymentBook book_{registry_, log_};
  std::set<PlaceBank*> banks_;  // All that the shard was ever given.
  bool merges_;
  ByteBudget budget_;
  std::unique_ptr<limit::BankTable> limit_banks_;
  telemetry::RecordRing record_ring_;
  server::ControlLink link_;
  std::unique_ptr<io::Kernel> wrapped_kernel_;
  std::unique_ptr<io::Ring> ring_;
  std::map<uint64_t, std::unique_ptr<config::Snapshot>> snapshots_;
  std::vector<std::unique_ptr<config::Snapshot>> spoiled_;  // Given back; kept to be spotted.
  std::unique_ptr<server::Worker> worker_;
  std::vector<Settled> records_;
  std::function<void(config::Snapshot&)> adjust_;
  auth::IndexPtr keys_;
  auth::IndexPtr former_keys_;  // Until the shard has adopted the others.
  uint64_t keys_adopted_ = 0;
  uint64_t keys_version_ = 0;
  std::vector<std::unique_ptr<auth::KeyAsked>> asked_;
  uint64_t generations_ = 0;
  uint32_t drained_ = 0;
  bool drain_begun_ = false;
};

}  // namespace sluice::sim
