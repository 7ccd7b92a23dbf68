#include "plan/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sluice::load {
namespace {

std::vector<Duration> all_of(std::string_view rate, Duration duration, bool is_poisson = false,
                             uint64_t seed = 1) {
  auto schedule = Schedule::parse(rate, duration);
  EXPECT_TRUE(schedule) << schedule.error();
  Arrivals arrivals(*schedule, is_poisson, seed);
  std::vector<Duration> times;
  while (const auto next = arrivals.next()) times.push_back(*next);
  return times;
}

TEST(Schedule, a_constant_rate_is_even_to_the_nanosecond) {
  const auto times = all_of("30000", seconds(2));
  ASSERT_EQ(times.size(), 60'000u);
  for (size_t i = 0; i < times.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(times[i].count()), static_cast<double>(i) * 1e9 / 30'000, 1);
  }
}

TEST(Schedule, a_constant_rate_without_duration_never_ends) {
  auto schedule = Schedule::parse("10", Duration::zero());
  ASSERT_TRUE(schedule);
  EXPECT_EQ(schedule->due(1'000'000), Duration(seconds(100'000)));
}

TEST(Schedule, a_ramp_grows_evenly) {
  const auto times = all_of("0..100", seconds(10));
  // The count after t is 5 t^2: 5 in the first second, 95 in the last.
  EXPECT_EQ(times.size(), 500u);
  EXPECT_EQ(std::ranges::count_if(times, [](Duration t) { return t < seconds(1); }), 5);
  EXPECT_EQ(std::ranges::count_if(times, [](Duration t) { return t >= seconds(9); }), 95);
}

TEST(Schedule, a_ramp_may_fall) {
  const auto times = all_of("100..0", seconds(10));
  EXPECT_EQ(std::ranges::count_if(times, [](Duration t) { return t < seconds(1); }), 95);
  EXPECT_LE(times.back(), Duration(seconds(10)));
}

TEST(Schedule, steps_follow_each_other) {
  const auto times = all_of("10@1s,0@2s,100@1s", Duration::zero());
  ASSERT_EQ(times.size(), 110u);
  EXPECT_EQ(times[9], Duration(milliseconds(900)));
  EXPECT_EQ(times[10], Duration(seconds(3)));
  EXPECT_EQ(times.back(), Duration(milliseconds(3990)));
}

TEST(Schedule, poisson_has_its_mean_and_its_spread) {
  const auto times = all_of("1000", seconds(100), true, 7);
  const auto count = static_cast<double>(times.size());
  EXPECT_NEAR(count, 100'000, 5 * std::sqrt(100'000));
  double sum = 0, squares = 0;
  for (size_t i = 1; i < times.size(); ++i) {
    const double gap = static_cast<double>((times[i] - times[i - 1]).count()) / 1e6;
    EXPECT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / (count - 1);
  // An exponential distribution's deviation is its mean; that of an even one would be zero.
  EXPECT_NEAR(std::sqrt(squares / (count - 1) - mean * mean) / mean, 1, 0.02);
}

TEST(Schedule, poisson_is_the_same_for_the_same_seed) {
  EXPECT_EQ(all_of("50", seconds(2), true, 3), all_of("50", seconds(2), true, 3));
  EXPECT_NE(all_of("50", seconds(2), true, 3), all_of("50", seconds(2), true, 4));
}

TEST(Schedule, refuses_what_is_none) {
  for (const char* text : {"", "fast", "0", "-5", "nan", "inf", "5..", "..5", "0..0", "5@", "@1s",
                           "5@1s,", "5@1s,6", "5@0s", "1e99"}) {
    const bool ends_in_comma = std::string_view(text) == "5@1s,";
    EXPECT_EQ(Schedule::parse(text, seconds(1)).has_value(), ends_in_comma) << text;
  }
  EXPECT_FALSE(Schedule::parse("1..5", Duration::zero()));
}

}  // namespace
}  // namespace sluice::load
