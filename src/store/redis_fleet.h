// The servers of one client: which of them takes a key, and whether they still know what they knew.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <sluice/shard/gate.h>

#include "redis_link.h"
#include "sentinel_finder.h"
#include "slot_map.h"

namespace sluice::store {

class RedisFleet final : public LinkOwner {
 public:
  RedisFleet(WireParts& parts, RedisFigures& figures);
  ~RedisFleet();
  RedisFleet(const RedisFleet&) = delete;
  RedisFleet& operator=(const RedisFleet&) = delete;

  void start();
  // Ends all links and waits for them. Suspends.
  Task<void> end();

  // Null when nobody is known to have the key.
  [[nodiscard]] RedisLink* link_for(std::string_view key) noexcept;
  // Of a cluster: the link to a node that another one named. Null when there are too many.
  [[nodiscard]] RedisLink* link_at(const RedisEndpoint& endpoint);
  // A node has said that another one serves a slot.
  void note_moved(const Redirection& moved);
  // Asks the cluster for its slots soon.
  void want_refresh() noexcept { refresh_wanted_.trigger(); }
  void withdraw(PendingCall& call);

  [[nodiscard]] bool is_cluster() const noexcept {
    return parts_.options.kind == RedisOptions::Kind::kCluster;
  }
  [[nodiscard]] bool is_up() const noexcept;
  [[nodiscard]] bool is_up_for(std::string_view key) const noexcept;
  [[nodiscard]] uint64_t epoch() const noexcept { return epoch_; }

 private:
  // Nodes with slots, and those that keys are moved to.
  static constexpr size_t kLinksMost = 2 * RedisClient::kNodesMost;
  // Between two questions to Sentinels while the master answers.
  static constexpr Duration kMasterLook = seconds(1);
  // Between two looks at the slots.
  static constexpr Duration kRefreshGap = milliseconds(100);

  void on_up(RedisLink& link) override;
  void on_down(RedisLink& link) override;
  // Leaves a master that Sentinels do not name any more though it still answers us.
  Task<void> watch_master(shard::Gate::Pass pass);
  Task<void> watch_slots(shard::Gate::Pass pass);
  Task<bool> refresh_slots();
  void adopt(SlotMap map);
  void note_refresh_failure(const WireFault& fault);
  // Those to be asked for the slots, in this order.
  [[nodiscard]] std::vector<RedisEndpoint> whom_to_ask();
  RedisLink& add_link(const RedisEndpoint& endpoint, RedisLink::Finder* finder);
  [[nodiscard]] RedisLink* find_link(const RedisEndpoint& endpoint) noexcept;
  void drop_ended();

  WireParts& parts_;
  RedisFigures& figures_;
  SentinelFinder sentinels_;
  ServerFinder servers_;
  shard::Gate gate_;
  io::Event gone_;
  io::Event refresh_wanted_;
  io::Timer look_pause_;
  std::vector<std::unique_ptr<RedisLink>> links_;  // Of one server or master: exactly one.
  SlotMap slots_;
  std::vector<RedisLink*> owners_;  // By place in `slots_.masters`; null without room.
  uint64_t epoch_ = 0;
  size_t turn_ = 0;
  bool has_told_failure_ = false;
};

}  // namespace sluice::store
