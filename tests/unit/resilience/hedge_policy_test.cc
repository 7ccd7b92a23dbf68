#include <sluice/resilience/hedge_policy.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "attempts.h"

namespace sluice::resilience {
namespace {

HedgePolicy policy_with(const config::HedgeSettings& settings) {
  HedgePolicy policy;
  policy.set_settings(settings);
  return policy;
}

TEST(HedgePolicy, has_no_delay_before_enough_samples) {
  HedgePolicy policy = policy_with({.after_min = milliseconds(1)});
  for (uint32_t i = 0; i < HedgePolicy::kSamplesMin - 1; ++i) {
    policy.note_first_token(milliseconds(200), at(seconds(0)));
    EXPECT_FALSE(policy.delay());
  }
  policy.note_first_token(milliseconds(200), at(seconds(0)));
  EXPECT_GE(policy.delay(), milliseconds(200));
  EXPECT_LE(policy.delay(), milliseconds(213));
}

TEST(HedgePolicy, never_hedges_sooner_than_configured) {
  HedgePolicy policy = policy_with({.after_min = milliseconds(50)});
  for (int i = 0; i < 20; ++i) policy.note_first_token(milliseconds(2), at(seconds(0)));
  EXPECT_EQ(policy.delay(), milliseconds(50));
}

TEST(HedgePolicy, the_delay_is_right_to_a_sixteenth) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    const double quantile = std::uniform_real_distribution(0.5, 0.999)(random);
    HedgePolicy policy = policy_with({.quantile = quantile, .after_min = Duration(0)});
    std::lognormal_distribution<double> times(std::log(100e6 * static_cast<double>(1 + seed)), 1.0);
    std::vector<Duration> samples;
    // 20 and then whole sixteens: the quantile was sought at the last one.
    for (int i = 0; i < 20 + 16 * 120; ++i) {
      samples.emplace_back(static_cast<int64_t>(times(random)));
      policy.note_first_token(samples.back(), at(milliseconds(i)));
    }
    std::ranges::sort(samples);
    const auto rank =
        static_cast<size_t>(std::ceil(quantile * static_cast<double>(samples.size())));
    const Duration exact = samples[rank - 1];
    const Duration most = exact + exact / 16 + microseconds(66);
    EXPECT_GE(policy.delay(), exact) << "seed " << seed;
    EXPECT_LE(policy.delay(), most) << "seed " << seed;
  }
}

TEST(HedgePolicy, extreme_times_stay_in_range) {
  HedgePolicy policy = policy_with({.after_min = Duration(0)});
  for (int i = 0; i < 20; ++i) policy.note_first_token(Duration::max(), at(seconds(0)));
  EXPECT_GE(policy.delay(), seconds(1000));
  policy = policy_with({.after_min = Duration(0)});
  for (int i = 0; i < 20; ++i) policy.note_first_token(Duration(0), at(seconds(0)));
  EXPECT_LE(policy.delay(), microseconds(66));
}

TEST(HedgePolicy, forgets_how_fast_it_was_once) {
  HedgePolicy policy = policy_with({.after_min = Duration(0)});
  MonoTime now = at(seconds(0));
  for (int i = 0; i < 1000; ++i) {
    policy.note_first_token(milliseconds(100), now);
    now += milliseconds(10);
  }
  const MonoTime slow_since = now;
  while (now - slow_since <= 2 * HedgePolicy::kPeriod + seconds(1)) {
    policy.note_first_token(seconds(2), now);
    now += milliseconds(100);
  }
  while (now - slow_since <= 5 * HedgePolicy::kPeriod) {
    policy.note_first_token(milliseconds(10), now);
    now += milliseconds(100);
  }
  EXPECT_LE(policy.delay(), milliseconds(11));
}

TEST(HedgePolicy, keeps_old_samples_where_there_are_few) {
  HedgePolicy policy = policy_with({.after_min = Duration(0)});
  for (int i = 0; i < 200; ++i) policy.note_first_token(milliseconds(100), at(seconds(60) * i));
  EXPECT_TRUE(policy.delay());
}

TEST(HedgePolicy, follows_another_quantile_at_once) {
  HedgePolicy policy = policy_with({.quantile = 0.5, .after_min = Duration(0)});
  for (int i = 1; i <= 100; ++i) policy.note_first_token(milliseconds(i), at(seconds(0)));
  EXPECT_LE(policy.delay(), milliseconds(60));
  policy.set_settings({.quantile = 0.95, .after_min = Duration(0)});
  EXPECT_GE(policy.delay(), milliseconds(90));
}

TEST(HedgePolicy, hedges_are_a_share_of_requests) {
  HedgePolicy policy = policy_with({.budget = 0.05});
  EXPECT_FALSE(policy.try_take());
  int hedges = 0;
  for (int i = 1; i <= 10'000; ++i) {
    policy.note_request();
    hedges += policy.try_take() ? 1 : 0;
    ASSERT_LE(hedges, i / 20);
  }
  EXPECT_EQ(hedges, 500);
}

TEST(HedgePolicy, little_is_saved_up) {
  HedgePolicy policy = policy_with({.budget = 0.05});
  for (int i = 0; i < 100'000; ++i) policy.note_request();
  uint32_t hedges = 0;
  while (policy.try_take()) ++hedges;
  EXPECT_EQ(hedges, HedgePolicy::kCreditMax);
}

}  // namespace
}  // namespace sluice::resilience
