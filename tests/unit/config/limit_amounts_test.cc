#include <sluice/config/limit_amounts.h>

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(LimitAmounts, every_word_makes_a_rule_that_says_its_word_and_amount) {
  std::vector<LimitRule> rules;
  for (const std::string_view word : limit_words()) {
    const auto added = add_limit(rules, LimitScope::kKey, "key", word, 12);
    ASSERT_TRUE(added) << added.error();
    EXPECT_EQ(rules.back().name, "key/" + std::string(word));
    EXPECT_EQ(rules.back().scope, LimitScope::kKey);
    EXPECT_EQ(limit_word_of(rules.back()), word);
    EXPECT_EQ(limit_amount_of(rules.back()), 12);
  }
  EXPECT_EQ(rules.size(), 18u);
}

TEST(LimitAmounts, money_is_dollars_to_the_millionth) {
  std::vector<LimitRule> rules;
  ASSERT_TRUE(add_limit(rules, LimitScope::kTenant, "team", "budget_per_month", 0.25));
  EXPECT_EQ(rules[0].most, 250'000u);
  EXPECT_EQ(rules[0].on_loss, OnLoss::kDeny);
  EXPECT_EQ(limit_amount_of(rules[0]), 0.25);
  ASSERT_TRUE(add_limit(rules, LimitScope::kTenant, "team", "soft_budget_per_month", 0.2));
  EXPECT_TRUE(rules[1].is_soft);
  EXPECT_FALSE(rules[1].enforce);
}

TEST(LimitAmounts, a_word_that_is_unknown_or_there_already_is_told) {
  std::vector<LimitRule> rules;
  EXPECT_EQ(add_limit(rules, LimitScope::kKey, "key", "request_per_minute", 1).error(),
            "`request_per_minute` is no limit; did you mean `requests_per_minute`?");
  const std::string far = add_limit(rules, LimitScope::kKey, "key", "burst!!", 1).error();
  EXPECT_TRUE(far.starts_with("`burst!!` is no limit; those are: requests_per_second,")) << far;
  ASSERT_TRUE(add_limit(rules, LimitScope::kKey, "key", "concurrency", 1));
  EXPECT_EQ(add_limit(rules, LimitScope::kKey, "key", "concurrency", 2).error(),
            "concurrency is there already; give it once");
  EXPECT_EQ(rules.size(), 1u);
}

TEST(LimitAmounts, amounts_out_of_range_are_told_with_the_range) {
  std::vector<LimitRule> rules;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  for (const double most : {0.0, -1.0, 1.5, 1e300, kNan}) {
    const auto added = add_limit(rules, LimitScope::kKey, "key", "tokens_per_day", most);
    ASSERT_FALSE(added) << most;
    EXPECT_EQ(added.error(), "tokens_per_day must be a whole number from 1 to 1099511627776");
  }
  for (const double most : {0.0, -1.0, 1e-7, 1e6 + 1, kNan}) {
    const auto added = add_limit(rules, LimitScope::kKey, "key", "budget_total", most);
    ASSERT_FALSE(added) << most;
    EXPECT_EQ(added.error(), "budget_total must be more than 0 dollars, and at most 1000000");
  }
  EXPECT_FALSE(add_limit(rules, LimitScope::kKey, "key", "concurrency", 1'000'001));
  EXPECT_TRUE(rules.empty());
}

}  // namespace
}  // namespace sluice::config
