// From a model to the route of its next attempt.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <sluice/base/ids.h>
#include <sluice/config/snapshot.h>
#include <sluice/route/strategy.h>
#include <sluice/route/weighted.h>

namespace sluice::route {

// The routes of one model that an exchange has used up, by their position in Model::routes.
// Lives in the exchange.
class Tried {
 public:
  void mark(uint32_t index) noexcept { bits_ |= uint64_t{1} << index; }
  [[nodiscard]] bool has(uint32_t index) const noexcept { return (bits_ >> index & 1) != 0; }
  [[nodiscard]] uint32_t count() const noexcept {
    return static_cast<uint32_t>(std::popcount(bits_));
  }
  [[nodiscard]] uint64_t bits() const noexcept { return bits_; }

 private:
  uint64_t bits_ = 0;
};

// The route that was picked and its position, to be marked in Tried before the next pick.
struct Pick {
  uint32_t index = 0;
  const config::Route* route = nullptr;  // Never null; lives as long as the snapshot.
};

// Belongs to one snapshot on one shard and is kept beside the pin, so that an exchange asks with
// the ids of the snapshot it holds. May be built elsewhere and handed over. pick() allocates
// nothing.
class Router {
 public:
  // The slices must outlive the router. Shards begin at different places, so that they do not all
  // send their first request to one upstream.
  Router(ShardId shard, const std::vector<config::Model>& models,
         const std::vector<config::Upstream>& upstreams);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Models whose routes and weights are as they were in `previous` go on from where they stood
  // there. Call once, before the first pick(), on the shard that owns both.
  void take_positions(const Router& previous);

  // Chooses among the routes of the smallest priority number that has one which is not tried;
  // empty when all are.
  [[nodiscard]] std::optional<Pick> pick(ModelId model, const Tried& tried) noexcept;

 private:
  // The candidates of one model stand together in `candidates_`.
  struct Plan {
    uint32_t first = 0;
    uint32_t count = 0;
    uint32_t levels_first = 0;  // Into `levels_`, in rising order of the priority number.
    uint32_t levels_count = 0;
    bool has_begun = false;  // Positions are not all zero any more.
  };

  void add_plan(const config::Model& model);
  [[nodiscard]] bool has_same_routes(uint32_t model, const Router& other,
                                     uint32_t other_model) const noexcept;
  void begin(Plan& plan) noexcept;
  [[nodiscard]] std::span<Candidate> candidates(const Plan& plan) noexcept;

  ShardId shard_;
  const std::vector<config::Model>& models_;
  const std::vector<config::Upstream>& upstreams_;
  WeightedStrategy strategy_;
  std::vector<Plan> plans_;  // By ModelId.
  std::vector<Candidate> candidates_;
  std::vector<uint64_t> levels_;  // Each the routes of one priority, as bits.
};

}  // namespace sluice::route
