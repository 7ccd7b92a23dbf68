#include <sluice/metrics/registry.h>

#include <gtest/gtest.h>

#include <string>

namespace sluice::metrics {
namespace {

TEST(Registry, bind_gives_each_shard_its_own_cells) {
  Registry registry(2);
  const std::string_view models[] = {"a", "b"};
  const std::string_view upstreams[] = {"u"};
  const auto cells = registry.bind(models, upstreams);
  ASSERT_EQ(cells.size(), 2u);
  ASSERT_EQ(cells[0].models.size(), 2u);
  EXPECT_NE(&cells[0].model(ModelId{0}), &cells[0].model(ModelId{1}));
  EXPECT_NE(&cells[0].model(ModelId{0}), &cells[1].model(ModelId{0}));
  EXPECT_NE(&cells[0].upstream(UpstreamId{0}), &cells[1].upstream(UpstreamId{0}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(cells[0].models[0]) % 128, 0u);
}

// Goal: counters survive reloads that reorder, drop and bring back names.
TEST(Registry, a_name_keeps_its_cells_for_life) {
  Registry registry(1);
  const std::string_view first[] = {"a", "b"};
  const std::string_view second[] = {"b"};
  const std::string_view third[] = {"c", "a"};
  const auto before = registry.bind(first, {});
  EXPECT_EQ(registry.bind(second, {})[0].models[0], before[0].models[1]);
  const auto after = registry.bind(third, {});
  EXPECT_EQ(before[0].models[0], after[0].models[1]);
  EXPECT_NE(before[0].models[1], after[0].models[0]);
}

TEST(Registry, an_unknown_model_counts_as_other) {
  Registry registry(1);
  const std::string_view models[] = {"a"};
  const auto cells = registry.bind(models, {});
  EXPECT_EQ(&cells[0].model(ModelId{}), cells[0].other);
  EXPECT_EQ(&cells[0].model(ModelId{1}), cells[0].other);
}

TEST(Registry, names_beyond_the_bound_count_as_other_and_are_counted) {
  Registry registry(1);
  std::vector<std::string> names;
  constexpr size_t kMost = NameTable<ModelCells>::kNamesMax;
  for (size_t i = 0; i < kMost + 3; ++i) names.push_back("model-" + std::to_string(i));
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto cells = registry.bind(views, {});
  EXPECT_EQ(registry.control().series_dropped.value(), 3u);
  EXPECT_NE(cells[0].models[kMost - 1], cells[0].other);
  EXPECT_EQ(cells[0].models[kMost], cells[0].other);
  EXPECT_EQ(registry.models().all().size(), kMost + 1);
}

TEST(Registry, a_model_named_other_is_no_second_series) {
  Registry registry(1);
  const std::string_view models[] = {"other"};
  const auto cells = registry.bind(models, {});
  EXPECT_EQ(cells[0].models[0], cells[0].other);
  EXPECT_EQ(registry.control().series_dropped.value(), 0u);
}

}  // namespace
}  // namespace sluice::metrics
