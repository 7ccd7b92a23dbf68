// A whole random world: one shard, its upstreams and clients, drawn from a seed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client.h"
#include "provider.h"
#include "shard_world.h"

namespace sluice::sim {

enum class Weather : uint8_t {
  kRough,    // Timing and cuts only; upstreams and clients behave: every request must succeed.
  kHostile,  // Everything fails now and then, clients leave, heads are bad.
};

class Scene {
 public:
  Scene(uint64_t seed, Weather weather, bool is_secured = false);

  // Plays until every client is gone, then checks all that was seen and the shard's end.
  void play();

  // For the suite's own proof that something happened.
  [[nodiscard]] size_t answered() const noexcept { return answered_; }
  [[nodiscard]] size_t broken() const noexcept { return broken_; }
  [[nodiscard]] uint64_t trace_hash() { return shard_.world().trace_hash(); }

 private:
  static constexpr Duration kPatience = std::chrono::minutes(10);

  void start_upstreams();
  void start_clients();
  void plan_interventions();
  void check_client(const Client& client);
  void check_records();

  [[nodiscard]] bool is_hostile() const noexcept { return weather_ == Weather::kHostile; }
  [[nodiscard]] bool chance(uint32_t per_mille) { return prng_.chance(per_mille); }

  Weather weather_;
  bool is_secured_;  // TLS on both sides of the gateway.
  bool has_text_;    // Streams bring content.
  support::Prng prng_;
  uint32_t upstreams_;
  ShardWorld shard_;
  Playbook playbook_;
  std::vector<Client*> clients_;
  bool drains_early_ = false;
  size_t answered_ = 0;
  size_t broken_ = 0;
};

}  // namespace sluice::sim
