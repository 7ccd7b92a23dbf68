#include <sluice/route/router.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "../../support/counted_new.h"
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

TEST(Router, d111_picks_nothing_when_nothing_is_usable) {
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

// Goal: no memory is taken by a choice, whatever the strategy and the number of routes.
TEST(Router, d106_a_pick_is_local_and_allocates_nothing) {
  for (const StrategyKind kind : kStrategies) {
    Fleet fleet{kind, std::vector<Shape>(RouteSet::kRoutesMax)};
    fleet.upstreams[3].tags = {"eu"};
    ShardRouter shard(fleet);
    const uint64_t before = support::allocations;
    for (int i = 0; i < 100; ++i) {
      static_cast<void>(shard.pick(shard.router.routes_for_tags(kModel, i % 2 == 0 ? "eu" : ""),
                                   {.now = kStart, .affinity_key = static_cast<uint64_t>(i)}));
    }
    EXPECT_EQ(support::allocations, before);
  }
}

// What rests is not asked again, and comes back with the next pick: no state of its own is kept.
TEST(Router, d116_follows_what_is_usable_at_each_pick) {
  for (const StrategyKind kind : kStrategies) {
    const Fleet fleet(kind, {{.price = config::Price{1, 1}}, {}, {.priority = 1}});
    ShardRouter shard(fleet);
    RouteSet one;
    one.add(1);
    RouteSet last;
    last.add(2);
    RouteSet first;
    first.add(0);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(shard.pick(one), 1u);
      EXPECT_EQ(shard.pick(last), 2u);
      EXPECT_EQ(shard.pick(first), 0u);
    }
  }
}

// Goal: the ratio holds within 1 % of all picks, over random weights and a random mix of shards.
TEST(Router, d090_ratio_holds_over_ten_thousand_picks_from_many_shards) {
  constexpr int kPicks = 10'000;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    support::Prng random(seed);
    std::vector<Shape> shapes(random.between(2, 7));
    double total = 0;
    for (Shape& shape : shapes) {
      shape.weight = static_cast<uint32_t>(random.between(1, 20));
      total += shape.weight;
    }
    const Fleet fleet(StrategyKind::kWeighted, shapes);
    std::vector<std::unique_ptr<ShardRouter>> shards;
    for (uint32_t i = 0; i < 8; ++i) shards.push_back(std::make_unique<ShardRouter>(fleet, i));
    std::array<int, 8> counts{};
    for (int i = 0; i < kPicks; ++i) {
      ++counts[shards[random.below(8)]->pick(RouteSet::first_n(7))];
    }
    for (size_t i = 0; i < shapes.size(); ++i) {
      const double expected = kPicks * shapes[i].weight / total;
      EXPECT_LE(std::abs(counts[i] - expected), kPicks * 0.01) << "route " << i;
    }
  }
}

TEST(Router, shards_start_at_different_upstreams) {
  for (const StrategyKind kind : {StrategyKind::kWeighted, StrategyKind::kRoundRobin}) {
    const Fleet fleet{kind, std::vector<Shape>(4)};
    std::string firsts;
    for (uint32_t i = 0; i < 4; ++i) firsts += ShardRouter(fleet, i).sequence(1);
    EXPECT_EQ(firsts, "abcd");
  }
}

TEST(Router, models_turn_independently) {
  Fleet fleet;
  fleet.add("x", StrategyKind::kWeighted, {{}, {}});
  fleet.add("y", StrategyKind::kRoundRobin, {{}, {}, {}});
  ShardRouter shard(fleet);
  const RouteSet all = RouteSet::first_n(3);
  EXPECT_EQ(shard.sequence(3, all, ModelId{0}), "aba");
  EXPECT_EQ(shard.sequence(3, all, ModelId{1}), "abc");
  EXPECT_EQ(shard.sequence(1, all, ModelId{0}), "b");
}

// Goal: a reload that leaves a model alone does not send everything to its first upstream again,
// also when the model moved in the file.
TEST(Router, unchanged_models_go_on_after_a_reload) {
  constexpr auto kWeighted = StrategyKind::kWeighted;
  Fleet before;
  before.add("x", kWeighted, {{}, {}, {}});
  before.add("y", kWeighted, {{}, {}});
  before.add("z", kWeighted, {{}, {}});
  ShardRouter old(before);
  const RouteSet all = RouteSet::first_n(3);
  EXPECT_EQ(old.sequence(2, all, ModelId{0}), "ab");
  EXPECT_EQ(old.sequence(1, all, ModelId{1}), "a");
  EXPECT_EQ(old.sequence(1, all, ModelId{2}), "a");

  Fleet after;
  after.add("new", kWeighted, {{}, {}});
  after.add("x", kWeighted, {{}, {}, {}});
  for (uint32_t i = 0; i < 3; ++i) after.upstreams[2 + i].name = before.upstreams[i].name;
  after.add("y", kWeighted, {{.weight = 2}, {}});
  after.add("z", StrategyKind::kRoundRobin, {{}, {}});
  for (uint32_t i = 0; i < 2; ++i) after.upstreams[7 + i].name = before.upstreams[5 + i].name;
  ShardRouter shard(after);
  shard.router.take_positions(old.router);
  EXPECT_EQ(shard.sequence(2, all, ModelId{0}), "ab");
  EXPECT_EQ(shard.sequence(2, all, ModelId{1}), "ca");
  EXPECT_EQ(shard.sequence(3, all, ModelId{2}), "aba");
  EXPECT_EQ(shard.sequence(2, all, ModelId{3}), "ab");
}

std::string letters(const RouteSet& routes) {
  std::string text;
  routes.for_each([&](uint32_t index) { text += static_cast<char>('a' + index); });
  return text;
}

TEST(Router, finds_the_routes_that_have_all_tags_asked_for) {
  const Fleet fleet(StrategyKind::kRandom,
                    {{.tags = {"cheap", "eu"}}, {.tags = {"eu"}}, {}, {.tags = {"default", "us"}}});
  ShardRouter shard(fleet);
  const auto found = [&](std::string_view tags) {
    return letters(shard.router.routes_for_tags(kModel, tags));
  };
  EXPECT_TRUE(shard.router.has_tags(kModel));
  EXPECT_EQ(found("eu"), "ab");
  EXPECT_EQ(found("eu,cheap"), "a");
  EXPECT_EQ(found(" cheap ,\teu "), "a");
  EXPECT_EQ(found("us"), "d");
  EXPECT_EQ(found("eu,us"), "");
  EXPECT_EQ(found("EU"), "");
  EXPECT_EQ(found("e"), "");
  EXPECT_EQ(found(""), "cd");
  EXPECT_EQ(found(" , ,"), "cd");
}

TEST(Router, tags_do_not_matter_without_a_list_when_all_have_some) {
  const Fleet all_tagged(StrategyKind::kRandom, {{.tags = {"a"}}, {.tags = {"b"}}});
  ShardRouter tagged(all_tagged);
  EXPECT_EQ(letters(tagged.router.routes_for_tags(kModel, "")), "ab");
  EXPECT_EQ(letters(tagged.router.routes_for_tags(kModel, "b")), "b");

  const Fleet none_tagged(StrategyKind::kRandom, {{}, {}});
  ShardRouter untagged(none_tagged);
  EXPECT_FALSE(untagged.router.has_tags(kModel));
  EXPECT_EQ(letters(untagged.router.routes_for_tags(kModel, "")), "ab");
}

// Goal: a client's long list costs no more than a short one.
TEST(Router, more_tags_than_the_bound_are_served_by_no_route) {
  const Fleet fleet(StrategyKind::kRandom, {{.tags = {"a"}}});
  ShardRouter shard(fleet);
  std::string list = "a";
  for (uint32_t i = 1; i < kTagsMax; ++i) list += ",a";
  EXPECT_EQ(letters(shard.router.routes_for_tags(kModel, list)), "a");
  EXPECT_EQ(letters(shard.router.routes_for_tags(kModel, list + ",a")), "");
}

}  // namespace
}  // namespace sluice::route
