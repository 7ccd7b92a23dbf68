#include <sluice/route/router.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "fleet.h"

namespace sluice::route {
namespace {

using config::StrategyKind;

constexpr std::array kStrategies = {StrategyKind::kPowerOfTwo, StrategyKind::kRoundRobin,
                                    StrategyKind::kWeighted,   StrategyKind::kRandom,
                                    StrategyKind::kLeastBusy,  StrategyKind::kLowestLatency,
                                    StrategyKind::kLowestCost, StrategyKind::kLowestUsage,
                                    StrategyKind::kAffinity,   StrategyKind::kFailover};

TEST(Router, hands_out_the_route_at_the_index) {
  const Fleet fleet(StrategyKind::kWeighted, {{}, {}});
  ShardRouter shard(fleet);
  const auto pick = shard.router.pick(kModel, RouteSet::first_n(2), {.now = kStart});
  ASSERT_TRUE(pick.has_value());
  EXPECT_EQ(pick->route, &fleet.models[0].routes[pick->index]);
}

TEST(Router, multiplies_the_weights_of_route_and_upstream) {
  const Fleet fleet(StrategyKind::kWeighted,
                    {{.weight = 2, .upstream_weight = 3}, {.weight = 1, .upstream_weight = 2}});
  ShardRouter shard(fleet);
  EXPECT_EQ(std::ranges::count(shard.sequence(8), 'a'), 6);
}

TEST(Router, picks_nothing_of_nothing) {
  for (const StrategyKind kind : kStrategies) {
    const Fleet fleet(kind, {{}, {}});
    ShardRouter shard(fleet);
    EXPECT_FALSE(shard.router.pick(kModel, {}, {.now = kStart}).has_value());
    // A model of which discovery has found no server yet.
    const Fleet none(kind, {});
    ShardRouter empty(none);
    EXPECT_FALSE(empty.router.pick(kModel, RouteSet::first_n(3), {.now = kStart}).has_value());
  }
}

// Whatever the strategy: the smallest priority number with a usable route, each route once.
TEST(Router, tiers_go_before_every_strategy) {
  for (const StrategyKind kind : kStrategies) {
    const Fleet fleet(kind, {{.weight = 1000, .priority = 5},
                             {.priority = 1, .price = config::Price{9, 9}},
                             {.priority = 1, .price = config::Price{9, 9}},
                             {.priority = 9, .price = config::Price{1, 1}}});
    ShardRouter shard(fleet);
    // The first tier is the busiest and slowest.
    for (int i = 0; i < 50; ++i) {
      shard.stats(1).begin();
      shard.stats(2).begin();
    }
    RouteSet usable = RouteSet::first_n(4);
    std::string order;
    const Choice choice{.now = kStart, .affinity_key = 77};
    for (int i = 0; i < 4; ++i) {
      const uint32_t index = shard.pick(usable, choice);
      EXPECT_TRUE(usable.has(index));
      usable.remove(index);
      order += static_cast<char>('a' + index);
    }
    EXPECT_TRUE(order == "bcad" || order == "cbad") << order;
  }
}

TEST(Router, handles_the_most_routes_there_can_be) {
  for (const StrategyKind kind : kStrategies) {
    const Fleet fleet{kind, std::vector<Shape>(RouteSet::kRoutesMax)};
    ShardRouter shard(fleet);
    RouteSet usable = RouteSet::first_n(RouteSet::kRoutesMax);
    for (uint32_t i = 0; i < RouteSet::kRoutesMax; ++i) {
      const uint32_t index = shard.pick(usable, {.now = kStart, .affinity_key = 5});
      ASSERT_TRUE(usable.has(index));
      usable.remove(index);
    }
    EXPECT_TRUE(usable.empty());
  }
}

}  // namespace
}  // namespace sluice::route
