#include "plan/expectation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::load {
namespace {

TEST(ParseExpectation, reads_every_form) {
  const auto least = parse_expectation("rate", "at least 100.5");
  ASSERT_TRUE(least);
  EXPECT_EQ(least->min, 100.5);
  EXPECT_TRUE(std::isinf(least->max));
  const auto most = parse_expectation("latency.p99", "at most 5ms");
  ASSERT_TRUE(most);
  EXPECT_EQ(most->max, 5000);
  const auto range = parse_expectation("latency.p50", "1ms to 20ms");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->min, 1000);
  EXPECT_EQ(range->max, 20'000);
  const auto exact = parse_expectation("failed", "0");
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->min, 0);
  EXPECT_EQ(exact->max, 0);
}

TEST(ParseExpectation, refuses_what_is_none) {
  for (const char* text : {"", "at least", "at most x", "5 to", " to 5", "9 to 5", "-1", "nan"}) {
    EXPECT_FALSE(parse_expectation("rate", text)) << text;
  }
}

}  // namespace
}  // namespace sluice::load
