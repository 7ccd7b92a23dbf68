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

TEST(CostMicroDollars, cached_input_and_reasoning_have_prices_of_their_own) {
  const config::Price price{.input_per_million = 10,
                            .output_per_million = 20,
                            .cached_per_million = 1,
                            .reasoning_per_million = 30};
  EXPECT_EQ(cost_micro_dollars({.input = 100, .output = 50, .cached = 40, .reasoning = 10}, price),
            60 * 10 + 40 * 1 + 40 * 20 + 10 * 30);
  EXPECT_EQ(cost_micro_dollars({.input = 100, .output = 50}, price), 100 * 10 + 50 * 20);
  // Without prices of their own they cost what the rest costs.
  EXPECT_EQ(cost_micro_dollars({.input = 100, .output = 50, .cached = 40, .reasoning = 10},
                               {.input_per_million = 10, .output_per_million = 20}),
            2000);
}

TEST(CostMicroDollars, a_part_is_never_more_than_the_whole) {
  const config::Price price{.input_per_million = 10,
                            .output_per_million = 20,
                            .cached_per_million = 1,
                            .reasoning_per_million = 30};
  EXPECT_EQ(cost_micro_dollars({.input = 10, .output = 5, .cached = 99, .reasoning = 99}, price),
            10 * 1 + 5 * 30);
  EXPECT_EQ(cost_micro_dollars({.output = 5, .cached = 99}, price), 5 * 20);
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
