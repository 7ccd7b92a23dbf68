#include <sluice/usage/price.h>

#include <limits>

#include <gtest/gtest.h>

namespace sluice::usage {
namespace {

TEST(CostMicroDollars, is_dollars_per_million_times_tokens) {
  const config::Price price{.input_per_million = 2.5, .output_per_million = 10};
  EXPECT_EQ(cost_micro_dollars({.input = 1000, .output = 200}, price), 4500);
  EXPECT_EQ(cost_micro_dollars({.input = 1, .output = 0}, price), 3);
  EXPECT_EQ(cost_micro_dollars({.input = 1'000'000, .output = 0}, {0.15, 0.6}), 150'000);
}

TEST(CostMicroDollars, an_unknown_usage_has_no_cost_rather_than_none) {
  const config::Price price{.input_per_million = 1, .output_per_million = 1};
  EXPECT_EQ(cost_micro_dollars({}, price), std::nullopt);
  EXPECT_EQ(cost_micro_dollars({.output = 7}, price), 7);
  EXPECT_EQ(cost_micro_dollars({.input = 0, .output = 0}, price), 0);
}

TEST(CostMicroDollars, is_held_at_the_largest_value) {
  const config::Price price{.input_per_million = 1e6, .output_per_million = 1};
  EXPECT_EQ(cost_micro_dollars({.input = UINT64_MAX}, price), std::numeric_limits<int64_t>::max());
}

TEST(UsageSource, has_a_name_for_each) {
  EXPECT_EQ(to_string(UsageSource::kUnknown), "unknown");
  EXPECT_EQ(to_string(UsageSource::kCounted), "counted");
  EXPECT_EQ(to_string(UsageSource::kReported), "reported");
}

}  // namespace
}  // namespace sluice::usage
