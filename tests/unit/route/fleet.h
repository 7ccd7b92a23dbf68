// Models, upstreams and what a shard knows of them, made in a line.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sluice/config/snapshot.h>
#include <sluice/route/router.h>

#include "../../support/prng.h"

namespace sluice::route {

struct Shape {
  uint32_t weight = 1;
  uint32_t priority = 0;
  uint32_t upstream_weight = 1;
  std::optional<config::Price> price;
  std::vector<std::string> tags;
  Duration slow_start{0};
};

// A configuration in which route i of a model goes to an upstream of its own.
struct Fleet {
  std::vector<config::Model> models;
  std::vector<config::Upstream> upstreams;

  Fleet() = default;
  Fleet(config::StrategyKind strategy, const std::vector<Shape>& shapes) {
    add("m", strategy, shapes);
  }
  void add(const std::string& name, config::StrategyKind strategy,
           const std::vector<Shape>& shapes) {
    config::Model& model = models.emplace_back();
    model.name = name;
    model.strategy = strategy;
    for (const Shape& shape : shapes) {
      config::Route& route = model.routes.emplace_back();
      route.upstream = UpstreamId{static_cast<uint32_t>(upstreams.size())};
      route.model = name;
      route.weight = shape.weight;
      route.priority = shape.priority;
      route.price = shape.price;
      config::Upstream& upstream = upstreams.emplace_back();
      upstream.name = name + "-" + std::to_string(upstreams.size());
      upstream.weight = shape.upstream_weight;
      upstream.tags = shape.tags;
      upstream.slow_start = shape.slow_start;
    }
  }
};

inline constexpr ModelId kModel{0};
inline constexpr MonoTime kStart{seconds(1000)};

// One shard's router of a fleet and its stats; `fleet` must outlive it.
class ShardRouter {
 public:
  explicit ShardRouter(const Fleet& fleet, uint32_t shard = 0, uint64_t seed = 1)
      : owned_(make_stats(fleet)),
        router(ShardId{shard}, fleet.models, fleet.upstreams, pointers()),
        draws_(seed + 1000 * shard) {}

  [[nodiscard]] DeploymentStats& stats(uint32_t upstream) noexcept { return *owned_[upstream]; }
  // `choice.random` is drawn anew.
  [[nodiscard]] uint32_t pick(const RouteSet& usable, Choice choice = {.now = kStart},
                              ModelId model = kModel) noexcept {
    choice.random = draws_.next();
    return router.pick(model, usable, choice)->index;
  }
  // The picks as letters.
  [[nodiscard]] std::string sequence(int length, const RouteSet& usable = RouteSet::first_n(256),
                                     ModelId model = kModel) {
    std::string picks;
    for (int i = 0; i < length; ++i) {
      picks += static_cast<char>('a' + pick(usable, {.now = kStart}, model));
    }
    return picks;
  }
  // How often each of `routes` is picked.
  [[nodiscard]] std::vector<int> counts(int picks, uint32_t routes, const RouteSet& usable,
                                        Choice choice = {.now = kStart}) {
    std::vector<int> found(routes);
    for (int i = 0; i < picks; ++i) ++found[pick(usable, choice)];
    return found;
  }

 private:
  using Owned = std::vector<std::unique_ptr<DeploymentStats>>;
  static Owned make_stats(const Fleet& fleet) {
    Owned owned;
    for (size_t i = 0; i < fleet.upstreams.size(); ++i) {
      owned.push_back(std::make_unique<DeploymentStats>());
    }
    return owned;
  }
  [[nodiscard]] std::vector<DeploymentStats*> pointers() const {
    std::vector<DeploymentStats*> all;
    for (const auto& stats : owned_) all.push_back(stats.get());
    return all;
  }
  Owned owned_;

 public:
  Router router;

 private:
  support::Prng draws_;
};

}  // namespace sluice::route
