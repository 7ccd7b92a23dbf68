#include <sluice/resilience/deployment_health.h>

#include <gtest/gtest.h>

#include "attempts.h"

namespace sluice::resilience {
namespace {

constexpr Judgement kFailure{.verdict = Verdict::kFailure, .may_retry = true};

const config::BreakerSettings kSettings{.failure_ratio = 0.5,
                                        .requests_min = 20,
                                        .window = seconds(30),
                                        .consecutive = 5,
                                        .open_for = seconds(10),
                                        .successes = 2};

constexpr bool kIsProbe = true;
constexpr bool kIsNoProbe = false;

DeploymentHealth opened_at(MonoTime now) {
  DeploymentHealth health(kSettings);
  for (uint32_t i = 0; i < kSettings.consecutive; ++i) health.record(kFailure, kIsNoProbe, now);
  EXPECT_EQ(health.breaker().state, BreakerState::kOpen);
  return health;
}

HealthNews news_of(const DeploymentHealth& health) {
  return {.breaker = health.breaker(), .cooldown = health.cooldown()};
}

TEST(DeploymentHealth, begins_untroubled) {
  const DeploymentHealth health(kSettings);
  EXPECT_TRUE(health.is_untroubled());
  EXPECT_EQ(health.admits(at(seconds(0))), Admits::kYes);
  EXPECT_EQ(health.usable_at(at(seconds(0))), at(seconds(0)));
  EXPECT_EQ(health.returned_at(), MonoTime::min());
}

TEST(DeploymentHealth, d032_failures_in_a_row_open_it) {
  DeploymentHealth health(kSettings);
  for (uint32_t i = 0; i < 4; ++i) health.record(kFailure, kIsNoProbe, at(seconds(0)));
  health.record(kSuccess, kIsNoProbe, at(seconds(0)));
  for (uint32_t i = 0; i < 4; ++i) health.record(kFailure, kIsNoProbe, at(seconds(0)));
  EXPECT_TRUE(health.is_untroubled());
  health.record(kFailure, kIsNoProbe, at(seconds(1)));
  EXPECT_FALSE(health.is_untroubled());
  EXPECT_EQ(health.breaker(), (BreakerChange{.at = at(seconds(1)),
                                             .state = BreakerState::kOpen,
                                             .open_until = at(seconds(11))}));
  EXPECT_EQ(health.admits(at(seconds(10))), Admits::kNo);
  EXPECT_EQ(health.usable_at(at(seconds(2))), at(seconds(11)));
}

TEST(DeploymentHealth, d032_a_ratio_of_enough_requests_opens_it) {
  DeploymentHealth health(kSettings);
  for (int i = 0; i < 9; ++i) {
    health.record(kFailure, kIsNoProbe, at(seconds(i)));
    health.record(kSuccess, kIsNoProbe, at(seconds(i)));
  }
  health.record(kFailure, kIsNoProbe, at(seconds(10)));
  EXPECT_EQ(health.breaker().state, BreakerState::kClosed) << "19 are too few";
  health.record(kSuccess, kIsNoProbe, at(seconds(10)));
  EXPECT_EQ(health.breaker().state, BreakerState::kClosed) << "a success never opens";
  health.record(kFailure, kIsNoProbe, at(seconds(10)));
  EXPECT_EQ(health.breaker().state, BreakerState::kOpen);
}

TEST(DeploymentHealth, failures_that_left_the_window_do_not_count) {
  DeploymentHealth health(kSettings);
  for (int i = 0; i < 400; ++i) {
    // 30 % over any window, never five in a row.
    health.record(i % 10 < 3 ? kFailure : kSuccess, kIsNoProbe, at(milliseconds(500) * i));
  }
  EXPECT_TRUE(health.is_untroubled());
}

TEST(DeploymentHealth, d031_d110_what_says_nothing_changes_nothing) {
  DeploymentHealth health(kSettings);
  for (int i = 0; i < 1000; ++i) health.record(kNothing, kIsNoProbe, MonoTime::min());
  EXPECT_TRUE(health.is_untroubled());
  for (int i = 0; i < 4; ++i) health.record(kFailure, kIsNoProbe, at(seconds(0)));
  health.record(kNothing, kIsNoProbe, at(seconds(0)));
  health.record(kFailure, kIsNoProbe, at(seconds(0)));
  EXPECT_FALSE(health.is_untroubled()) << "nor does it interrupt a row";
}

TEST(DeploymentHealth, a_breaker_that_is_off_never_opens) {
  config::BreakerSettings off = kSettings;
  off.enabled = false;
  DeploymentHealth health(off);
  for (int i = 0; i < 1000; ++i) health.record(kFailure, kIsNoProbe, at(seconds(0)));
  EXPECT_TRUE(health.is_untroubled());
  DeploymentHealth open = opened_at(at(seconds(0)));
  open.set_settings(off);
  EXPECT_EQ(open.admits(at(seconds(1))), Admits::kYes);
  EXPECT_TRUE(open.is_untroubled());
}

TEST(DeploymentHealth, d033_once_open_time_is_over_probes_only) {
  DeploymentHealth health = opened_at(at(seconds(0)));
  EXPECT_EQ(health.admits(at(seconds(10))), Admits::kProbe);
  health.record(kSuccess, kIsProbe, at(seconds(11)), at(seconds(10)));
  EXPECT_EQ(health.breaker().state, BreakerState::kHalfOpen);
  EXPECT_EQ(health.breaker().at, at(seconds(0))) << "the same opening";
  EXPECT_EQ(health.admits(at(seconds(11))), Admits::kProbe);
  health.record(kSuccess, kIsProbe, at(seconds(12)), at(seconds(11)));
  EXPECT_EQ(health.breaker(), BreakerChange{.at = at(seconds(12))});
  EXPECT_TRUE(health.is_untroubled());
  EXPECT_EQ(health.returned_at(), at(seconds(12)));
}

TEST(DeploymentHealth, d033_a_probe_that_fails_opens_it_anew) {
  DeploymentHealth health = opened_at(at(seconds(0)));
  health.record(kSuccess, kIsProbe, at(seconds(11)), at(seconds(10)));
  health.record(kFailure, kIsProbe, at(seconds(12)), at(seconds(11)));
  EXPECT_EQ(health.breaker().state, BreakerState::kOpen);
  EXPECT_EQ(health.breaker().open_until, at(seconds(22)));
  EXPECT_EQ(health.admits(at(seconds(21))), Admits::kNo);
  health.record(kSuccess, kIsProbe, at(seconds(23)), at(seconds(22)));
  EXPECT_EQ(health.breaker().state, BreakerState::kHalfOpen) << "the row begins anew";
}

TEST(DeploymentHealth, a_probe_that_says_nothing_decides_nothing) {
  DeploymentHealth health = opened_at(at(seconds(0)));
  health.record(kNothing, kIsProbe, at(seconds(11)), at(seconds(10)));
  EXPECT_EQ(health.breaker().state, BreakerState::kOpen);
  EXPECT_EQ(health.admits(at(seconds(11))), Admits::kProbe);
}

TEST(DeploymentHealth, late_results_of_before_the_opening_decide_nothing) {
  DeploymentHealth health = opened_at(at(seconds(5)));
  const BreakerChange opening = health.breaker();
  health.record(kSuccess, kIsNoProbe, at(seconds(6)), at(seconds(1)));
  health.record(kFailure, kIsNoProbe, at(seconds(7)), at(seconds(1)));
  health.record(kSuccess, kIsNoProbe, at(seconds(20)), at(seconds(1)));
  health.record(kFailure, kIsNoProbe, at(seconds(20)), at(seconds(1)));
  EXPECT_EQ(health.breaker(), opening);
  // Nor once it is closed: they tell of the time before.
  health.record(kSuccess, kIsProbe, at(seconds(21)), at(seconds(20)));
  health.record(kSuccess, kIsProbe, at(seconds(22)), at(seconds(21)));
  for (int i = 0; i < 100; ++i) {
    health.record(kFailure, kIsNoProbe, at(seconds(23)), at(seconds(4)));
  }
  EXPECT_TRUE(health.is_untroubled());
  for (int i = 0; i < 5; ++i) health.record(kFailure, kIsNoProbe, at(seconds(24)), at(seconds(23)));
  EXPECT_FALSE(health.is_untroubled());
}

TEST(DeploymentHealth, a_probe_of_an_earlier_opening_decides_nothing) {
  DeploymentHealth health = opened_at(at(seconds(0)));
  health.record(kFailure, kIsProbe, at(seconds(12)), at(seconds(10)));  // Open until 22.
  const BreakerChange opening = health.breaker();
  health.record(kSuccess, kIsProbe, at(seconds(30)), at(seconds(11)));
  health.record(kFailure, kIsProbe, at(seconds(30)), at(seconds(11)));
  EXPECT_EQ(health.breaker(), opening);
}

// One that went out before the news of the opening came is no probe, however late it began.
TEST(DeploymentHealth, what_is_no_probe_does_not_close_it) {
  DeploymentHealth health = opened_at(at(seconds(0)));
  const BreakerChange opening = health.breaker();
  for (int i = 0; i < 5; ++i) {
    health.record(kSuccess, kIsNoProbe, at(seconds(12)), at(seconds(11)));
    health.record(kFailure, kIsNoProbe, at(seconds(12)), at(seconds(11)));
  }
  EXPECT_EQ(health.breaker(), opening);
}

TEST(DeploymentHealth, d033_a_cooldown_ends_with_a_probe_that_succeeds) {
  DeploymentHealth health(kSettings);
  health.record(overloaded(seconds(5)), kIsNoProbe, at(seconds(0)));
  EXPECT_EQ(health.breaker().state, BreakerState::kClosed);
  EXPECT_EQ(health.admits(at(seconds(4))), Admits::kNo);
  EXPECT_EQ(health.usable_at(at(seconds(1))), at(seconds(5)));
  EXPECT_EQ(health.admits(at(seconds(5))), Admits::kProbe);
  health.record(kSuccess, kIsNoProbe, at(seconds(6)), at(seconds(0)));
  EXPECT_EQ(health.admits(at(seconds(6))), Admits::kProbe) << "it began before";
  health.record(kSuccess, kIsProbe, at(seconds(7)), at(seconds(6)));
  EXPECT_EQ(health.cooldown(), CooldownChange{.at = at(seconds(7))});
  EXPECT_TRUE(health.is_untroubled());
  EXPECT_EQ(health.returned_at(), MonoTime::min()) << "no slow start";
}

TEST(DeploymentHealth, overload_never_opens_the_breaker) {
  DeploymentHealth health(kSettings);
  for (int i = 0; i < 1000; ++i) {
    health.record(overloaded(seconds(1)), kIsNoProbe, at(seconds(2 * i)));
  }
  EXPECT_EQ(health.breaker().state, BreakerState::kClosed);
}

TEST(DeploymentHealth, a_shorter_cooldown_does_not_cut_a_longer_one) {
  DeploymentHealth health(kSettings);
  health.record(overloaded(seconds(60)), kIsNoProbe, at(seconds(0)));
  health.record(overloaded(seconds(5)), kIsNoProbe, at(seconds(1)));
  EXPECT_EQ(health.cooldown().until, at(seconds(60)));
  health.record(overloaded(seconds(70)), kIsNoProbe, at(seconds(2)));
  EXPECT_EQ(health.cooldown().until, at(seconds(72)));
}

TEST(DeploymentHealth, a_failure_may_rest_it_too) {
  DeploymentHealth health(kSettings);
  health.record({.verdict = Verdict::kFailure, .cooldown = seconds(9)}, kIsNoProbe, at(seconds(0)));
  EXPECT_EQ(health.usable_at(at(seconds(0))), at(seconds(9)));
}

TEST(DeploymentHealth, an_operator_ends_a_cooldown_at_once) {
  DeploymentHealth health(kSettings);
  health.record(overloaded(seconds(60)), kIsNoProbe, at(seconds(0)));
  health.apply({.cooldown = {.at = at(seconds(1))}}, at(seconds(1)));
  EXPECT_TRUE(health.is_untroubled());
}

TEST(DeploymentHealth, d116_down_and_drained_admit_nothing_until_they_are_over) {
  DeploymentHealth health(kSettings);
  HealthNews news{.is_down = true};
  health.apply(news, at(seconds(0)));
  EXPECT_EQ(health.admits(at(seconds(0))), Admits::kNo);
  EXPECT_EQ(health.usable_at(at(seconds(0))), MonoTime::max());
  news.is_drained = true;
  health.apply(news, at(seconds(1)));
  news.is_down = false;
  health.apply(news, at(seconds(2)));
  EXPECT_EQ(health.admits(at(seconds(2))), Admits::kNo);
  EXPECT_EQ(health.returned_at(), MonoTime::min());
  news.is_drained = false;
  health.apply(news, at(seconds(3)));
  EXPECT_TRUE(health.is_untroubled());
  EXPECT_EQ(health.returned_at(), at(seconds(3)));
}

TEST(DeploymentHealth, an_ejection_ends_by_itself) {
  DeploymentHealth health(kSettings);
  health.apply({.ejected_until = at(seconds(30))}, at(seconds(0)));
  EXPECT_EQ(health.admits(at(seconds(29))), Admits::kNo);
  EXPECT_EQ(health.usable_at(at(seconds(0))), at(seconds(30)));
  EXPECT_EQ(health.admits(at(seconds(30))), Admits::kYes);
  EXPECT_EQ(health.returned_at(), at(seconds(30)));
  health.apply({.ejected_until = at(seconds(30))}, at(seconds(31)));
  EXPECT_TRUE(health.is_untroubled());
  EXPECT_EQ(health.returned_at(), at(seconds(30)));
}

TEST(DeploymentHealth, an_ejection_that_is_taken_back_ends_at_once) {
  DeploymentHealth health(kSettings);
  health.apply({.ejected_until = at(seconds(30))}, at(seconds(0)));
  health.apply({}, at(seconds(10)));
  EXPECT_TRUE(health.is_untroubled());
  EXPECT_EQ(health.returned_at(), at(seconds(10)));
}

TEST(DeploymentHealth, d111_the_latest_of_all_obstacles_decides_when_it_is_usable) {
  DeploymentHealth health = opened_at(at(seconds(0)));
  health.record(overloaded(seconds(20)), kIsNoProbe, at(seconds(0)));
  HealthNews news = news_of(health);
  news.ejected_until = at(seconds(15));
  health.apply(news, at(seconds(0)));
  EXPECT_EQ(health.usable_at(at(seconds(0))), at(seconds(20)));
  EXPECT_EQ(health.admits(at(seconds(19))), Admits::kNo);
  EXPECT_EQ(health.admits(at(seconds(20))), Admits::kProbe);
}

TEST(DeploymentHealth, another_shard_learns_of_opening_and_closing) {
  DeploymentHealth here = opened_at(at(seconds(0)));
  DeploymentHealth there(kSettings);
  there.apply(news_of(here), at(seconds(0)));
  EXPECT_EQ(there.breaker(), here.breaker());
  EXPECT_EQ(there.admits(at(seconds(1))), Admits::kNo);
  here.record(kSuccess, kIsProbe, at(seconds(11)), at(seconds(10)));
  here.record(kSuccess, kIsProbe, at(seconds(12)), at(seconds(11)));
  there.apply(news_of(here), at(seconds(12)));
  EXPECT_TRUE(there.is_untroubled());
  EXPECT_EQ(there.returned_at(), at(seconds(12)));
}

TEST(DeploymentHealth, what_was_counted_before_an_opening_elsewhere_is_forgotten) {
  DeploymentHealth here(kSettings);
  for (int i = 0; i < 4; ++i) here.record(kFailure, kIsNoProbe, at(seconds(0)));
  here.apply({.breaker = {.at = at(seconds(2))}}, at(seconds(2)));
  for (int i = 0; i < 4; ++i) here.record(kFailure, kIsNoProbe, at(seconds(3)), at(seconds(2)));
  EXPECT_TRUE(here.is_untroubled());
}

TEST(DeploymentHealth, old_news_change_nothing) {
  DeploymentHealth health = opened_at(at(seconds(0)));
  const HealthNews old = news_of(health);
  health.record(kSuccess, kIsProbe, at(seconds(11)), at(seconds(10)));
  health.record(kSuccess, kIsProbe, at(seconds(12)), at(seconds(11)));
  health.apply(old, at(seconds(13)));
  EXPECT_TRUE(health.is_untroubled());
}

// A shard that has not yet heard of the closing goes on probing; that must not undo it.
TEST(DeploymentHealth, a_late_probe_elsewhere_does_not_undo_a_closing) {
  DeploymentHealth here = opened_at(at(seconds(0)));
  DeploymentHealth there(kSettings);
  there.apply(news_of(here), at(seconds(0)));
  here.record(kSuccess, kIsProbe, at(seconds(11)), at(seconds(10)));
  here.record(kSuccess, kIsProbe, at(seconds(12)), at(seconds(11)));
  there.record(kSuccess, kIsProbe, at(seconds(13)), at(seconds(12)));
  EXPECT_EQ(there.breaker().state, BreakerState::kHalfOpen);
  here.apply(news_of(there), at(seconds(13)));
  EXPECT_TRUE(here.is_untroubled());
  there.apply(news_of(here), at(seconds(13)));
  EXPECT_TRUE(there.is_untroubled());
}

TEST(DeploymentHealth, a_clock_that_is_a_little_behind_still_makes_later_changes) {
  DeploymentHealth health(kSettings);
  health.apply({.breaker = {.at = at(seconds(10))}, .cooldown = {.at = at(seconds(10))}},
               at(seconds(9)));
  health.record(overloaded(seconds(5)), kIsNoProbe, at(seconds(9)));
  EXPECT_GT(health.cooldown().at, at(seconds(10)));
  EXPECT_EQ(health.cooldown().until, at(seconds(14)));
}

}  // namespace
}  // namespace sluice::resilience
