#include "litellm.h"

#include <gtest/gtest.h>

#include <sluice/config/limit_amounts.h>

namespace sluice::admin {
namespace {

constexpr WallTime kNow{1'750'000'000'000'000};

std::string translated(std::string_view body, std::span<const config::LimitRule> present = {}) {
  const auto read = json::parse_value(body);
  EXPECT_TRUE(read) << body;
  const auto ours = litellm::translate(*read, present, kNow);
  if (!ours) return ours.error().param;
  std::string text;
  ours->write(text);
  return text;
}

TEST(Litellm, members_get_our_names) {
  EXPECT_EQ(translated(R"({"key_alias":"a","team_id":"t","models":["m"],"duration":"1d",
                           "max_budget":5,"budget_duration":"30d","rpm_limit":7,
                           "model_rpm_limit":{"gpt-4":2}})"),
            R"({"name":"a","team":"t","models":["m"],"expires":"2025-06-16T15:06:40.000000Z",)"
            R"("limits":{"requests_per_minute":7,"budget_per_month":5},)"
            R"("model_limits":[{"models":"gpt-4","requests_per_minute":2}]})");
}

TEST(Litellm, limits_that_are_not_named_stay) {
  std::vector<config::LimitRule> present;
  ASSERT_TRUE(config::add_limit(present, config::LimitScope::kKey, "key", "budget_per_day", 3));
  ASSERT_TRUE(config::add_limit(present, config::LimitScope::kKey, "key", "concurrency", 4));
  EXPECT_EQ(translated(R"({"rpm_limit":7})", present),
            R"({"limits":{"budget_per_day":3,"concurrency":4,"requests_per_minute":7}})");
  EXPECT_EQ(translated(R"({"max_budget":9})", present),
            R"({"limits":{"concurrency":4,"budget_total":9}})");
  EXPECT_EQ(translated(R"({"max_budget":null})", present),
            R"({"limits":{"concurrency":4,"budget_total":null}})");
}

TEST(Litellm, what_makes_no_sense_is_named) {
  EXPECT_EQ(translated(R"({"budget_duration":"1d"})"), "max_budget");
  EXPECT_EQ(translated(R"({"max_budget":1,"budget_duration":"5y"})"), "budget_duration");
  EXPECT_EQ(translated(R"({"duration":"0s"})"), "duration");
}

// Once found by the fuzzer: the key was made without the limit.
TEST(Litellm, a_limit_of_a_model_that_is_no_number_is_refused) {
  EXPECT_EQ(translated(R"({"model_rpm_limit":{"gpt-4":"10"}})"), "model_rpm_limit.gpt-4");
  EXPECT_EQ(translated(R"({"model_tpm_limit":{"a":1,"b":{}}})"), "model_tpm_limit.b");
  EXPECT_EQ(translated(R"({"model_rpm_limit":{"gpt-4":null}})"), R"({"limits":{}})");
}

}  // namespace
}  // namespace sluice::admin
