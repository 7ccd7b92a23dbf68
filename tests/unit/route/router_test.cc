#include <sluice/route/router.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <random>
#include <string>

namespace sluice::route {
namespace {

struct Shape {
  uint32_t weight = 1;
  uint32_t priority = 0;
  uint32_t upstream_weight = 1;
};

// A configuration with one model whose route i goes to upstream i.
struct Config {
  std::vector<config::Model> models;
  std::vector<config::Upstream> upstreams;

  Config() = default;
  explicit Config(const std::vector<Shape>& shapes) { add("m", shapes); }
  void add(const std::string& name, const std::vector<Shape>& shapes) {
    config::Model& model = models.emplace_back();
    model.name = name;
    for (const Shape& shape : shapes) {
      config::Route& route = model.routes.emplace_back();
      route.upstream = UpstreamId{static_cast<uint32_t>(upstreams.size())};
      route.weight = shape.weight;
      route.priority = shape.priority;
      config::Upstream& upstream = upstreams.emplace_back();
      upstream.name = name + "-" + std::to_string(upstreams.size());
      upstream.weight = shape.upstream_weight;
    }
  }
};

constexpr ModelId kModel{0};

std::string sequence(Router& router, int length, ModelId model = kModel) {
  std::string picks;
  for (int i = 0; i < length; ++i) {
    picks += static_cast<char>('a' + router.pick(model, {})->index);
  }
  return picks;
}

TEST(Router, hands_out_the_route_at_the_index) {
  const Config config({{}, {}});
  Router router(ShardId{0}, config.models, config.upstreams);
  const auto pick = router.pick(kModel, {});
  ASSERT_TRUE(pick.has_value());
  EXPECT_EQ(pick->route, &config.models[0].routes[pick->index]);
}

TEST(Router, multiplies_the_weights_of_route_and_upstream) {
  const Config config({{.weight = 2, .upstream_weight = 3}, {.weight = 1, .upstream_weight = 2}});
  Router router(ShardId{0}, config.models, config.upstreams);
  const std::string picks = sequence(router, 8);
  EXPECT_EQ(std::ranges::count(picks, 'a'), 6);
}

TEST(Router, uses_the_smallest_priority_that_has_an_untried_route) {
  const Config config({{.priority = 5}, {.priority = 1}, {.priority = 1}, {.priority = 9}});
  Router router(ShardId{0}, config.models, config.upstreams);
  EXPECT_EQ(sequence(router, 4), "bcbc");
  Tried tried;
  std::string order;
  while (const auto pick = router.pick(kModel, tried)) {
    EXPECT_FALSE(tried.has(pick->index));
    tried.mark(pick->index);
    order += static_cast<char>('a' + pick->index);
  }
  EXPECT_EQ(order, "bcad");
  EXPECT_EQ(tried.count(), 4u);
}

TEST(Router, handles_the_most_routes_there_can_be) {
  const Config config{std::vector<Shape>(kRoutesMax)};
  Router router(ShardId{0}, config.models, config.upstreams);
  Tried tried;
  for (uint32_t i = 0; i < kRoutesMax; ++i) {
    const auto pick = router.pick(kModel, tried);
    ASSERT_TRUE(pick.has_value());
    tried.mark(pick->index);
  }
  EXPECT_FALSE(router.pick(kModel, tried).has_value());
}

// Goal: the ratio holds within 1 % of all picks, over random weights and a random mix of shards.
TEST(Router, d090_ratio_holds_over_ten_thousand_picks_from_many_shards) {
  constexpr int kPicks = 10'000;
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    std::vector<Shape> shapes(2 + random() % 6);
    double total = 0;
    for (Shape& shape : shapes) {
      shape.weight = 1 + random() % 20;
      total += shape.weight;
    }
    const Config config(shapes);
    std::vector<std::unique_ptr<Router>> shards;
    for (uint32_t i = 0; i < 8; ++i) {
      shards.push_back(std::make_unique<Router>(ShardId{i}, config.models, config.upstreams));
    }
    std::array<int, 8> counts{};
    for (int i = 0; i < kPicks; ++i) {
      ++counts[shards[random() % shards.size()]->pick(kModel, {})->index];
    }
    for (size_t i = 0; i < shapes.size(); ++i) {
      const double expected = kPicks * shapes[i].weight / total;
      EXPECT_LE(std::abs(counts[i] - expected), kPicks * 0.01) << "seed " << seed << " route " << i;
    }
  }
}

TEST(Router, d089_one_shard_is_exact_over_whole_cycles) {
  const Config config({{.weight = 3}, {.weight = 2}, {.weight = 5}});
  Router router(ShardId{7}, config.models, config.upstreams);
  const std::string picks = sequence(router, 10'000);
  EXPECT_EQ(std::ranges::count(picks, 'a'), 3000);
  EXPECT_EQ(std::ranges::count(picks, 'b'), 2000);
  EXPECT_EQ(std::ranges::count(picks, 'c'), 5000);
}

TEST(Router, shards_start_at_different_upstreams) {
  const Config config{std::vector<Shape>(4)};
  std::string firsts;
  for (uint32_t shard = 0; shard < 4; ++shard) {
    Router router(ShardId{shard}, config.models, config.upstreams);
    firsts += sequence(router, 1);
  }
  EXPECT_EQ(firsts, "abcd");
}

TEST(Router, models_turn_independently) {
  Config config;
  config.add("x", {{}, {}});
  config.add("y", {{}, {}, {}});
  Router router(ShardId{0}, config.models, config.upstreams);
  EXPECT_EQ(sequence(router, 3, ModelId{0}), "aba");
  EXPECT_EQ(sequence(router, 3, ModelId{1}), "abc");
  EXPECT_EQ(sequence(router, 1, ModelId{0}), "b");
}

// Goal: a reload that leaves a model alone does not send everything to its first upstream again,
// also when the model moved in the file.
TEST(Router, unchanged_models_go_on_after_a_reload) {
  Config before;
  before.add("x", {{}, {}, {}});
  before.add("y", {{}, {}});
  Router old(ShardId{0}, before.models, before.upstreams);
  EXPECT_EQ(sequence(old, 2, ModelId{0}), "ab");
  EXPECT_EQ(sequence(old, 1, ModelId{1}), "a");

  Config after;
  after.add("new", {{}, {}});
  after.add("x", {{}, {}, {}});
  for (uint32_t i = 0; i < 3; ++i) after.upstreams[2 + i].name = before.upstreams[i].name;
  after.add("y", {{.weight = 2}, {}});
  Router router(ShardId{0}, after.models, after.upstreams);
  router.take_positions(old);
  EXPECT_EQ(sequence(router, 2, ModelId{0}), "ab");
  EXPECT_EQ(sequence(router, 2, ModelId{1}), "ca");
  EXPECT_EQ(sequence(router, 3, ModelId{2}), "aba");
}

}  // namespace
}  // namespace sluice::route
