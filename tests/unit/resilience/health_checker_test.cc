#include <sluice/resilience/health_checker.h>

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "attempts.h"

namespace sluice::resilience {
namespace {

constexpr uint64_t kLeast = 0;
constexpr uint64_t kMost = ~uint64_t{0};

const config::HealthCheck kCheck{.interval = seconds(10), .unhealthy_after = 3, .healthy_after = 2};

// One check, as soon as it is due; when that was.
MonoTime check(HealthChecker& checker, bool passes, uint64_t random = kLeast) {
  const MonoTime due = checker.next_due();
  EXPECT_FALSE(checker.take_due(due - Duration(1)));
  EXPECT_TRUE(checker.take_due(due));
  checker.note(passes, due, random);
  return due;
}

TEST(HealthChecker, d116_the_first_check_is_early_and_not_for_all_at_once) {
  EXPECT_EQ(HealthChecker(kCheck, at(seconds(0)), kLeast).next_due(), at(seconds(0)));
  EXPECT_EQ(HealthChecker(kCheck, at(seconds(0)), kMost).next_due(), at(seconds(1)));
  std::mt19937_64 random(3);
  std::set<MonoTime> dues;
  for (int i = 0; i < 100; ++i) {
    dues.insert(HealthChecker(kCheck, at(seconds(0)), random()).next_due());
  }
  EXPECT_EQ(dues.size(), 100u);
}

TEST(HealthChecker, d116_thresholds_hold_in_both_directions) {
  HealthChecker checker(kCheck, at(seconds(0)), kLeast);
  check(checker, false);
  check(checker, false);
  check(checker, true);  // Not in a row.
  check(checker, false);
  check(checker, false);
  EXPECT_FALSE(checker.is_down());
  check(checker, false);
  EXPECT_TRUE(checker.is_down());
  check(checker, true);
  check(checker, false);
  check(checker, true);
  EXPECT_TRUE(checker.is_down());
  check(checker, true);
  EXPECT_FALSE(checker.is_down());
}

TEST(HealthChecker, checks_come_a_tenth_early_or_late) {
  HealthChecker checker(kCheck, at(seconds(0)), kLeast);
  const MonoTime first = check(checker, true, kLeast);
  EXPECT_EQ(checker.next_due(), first + seconds(9));
  const MonoTime second = check(checker, true, kMost);
  EXPECT_EQ(checker.next_due(), second + seconds(11));
}

TEST(HealthChecker, makes_one_check_at_a_time) {
  HealthChecker checker(kCheck, at(seconds(0)), kLeast);
  EXPECT_TRUE(checker.take_due(at(seconds(0))));
  EXPECT_EQ(checker.next_due(), MonoTime::max());
  EXPECT_FALSE(checker.take_due(at(seconds(100))));
  checker.note(true, at(seconds(100)), kLeast);
  EXPECT_EQ(checker.next_due(), at(seconds(109)));
}

TEST(HealthChecker, live_traffic_takes_the_place_of_checks) {
  HealthChecker checker(kCheck, at(seconds(0)), kLeast);
  check(checker, true);
  for (int second = 1; second < 100; ++second) {
    checker.note_passive_success(at(seconds(second)), kLeast);
    EXPECT_FALSE(checker.take_due(at(seconds(second))));
  }
  EXPECT_TRUE(checker.take_due(at(seconds(99 + 9))));
}

TEST(HealthChecker, live_traffic_interrupts_a_row_of_failed_checks) {
  HealthChecker checker(kCheck, at(seconds(0)), kLeast);
  check(checker, false);
  check(checker, false);
  checker.note_passive_success(checker.next_due(), kLeast);
  check(checker, false);
  EXPECT_FALSE(checker.is_down());
}

TEST(HealthChecker, live_traffic_does_not_prove_one_up_that_is_down) {
  HealthChecker checker(kCheck, at(seconds(0)), kLeast);
  for (int i = 0; i < 3; ++i) check(checker, false);
  const MonoTime due = checker.next_due();
  checker.note_passive_success(due - seconds(1), kLeast);
  EXPECT_TRUE(checker.is_down());
  EXPECT_EQ(checker.next_due(), due);
}

TEST(HealthChecker, a_lower_threshold_holds_from_the_next_result) {
  HealthChecker checker(kCheck, at(seconds(0)), kLeast);
  check(checker, false);
  config::HealthCheck stricter = kCheck;
  stricter.unhealthy_after = 1;
  checker.set_settings(stricter);
  EXPECT_FALSE(checker.is_down());
  check(checker, true);
  EXPECT_FALSE(checker.is_down());
  check(checker, false);
  EXPECT_TRUE(checker.is_down());
}

}  // namespace
}  // namespace sluice::resilience
