#include "wheel.h"

#include <algorithm>
#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::canned {
namespace {

constexpr int64_t kPeriod = 20'000'000;
constexpr int64_t kStart = 123'456'789;

class WheelTest : public ::testing::Test {
 protected:
  // Lets time pass up to `end`, firing what is due when it is due.
  void run_until(int64_t end) {
    for (auto wait = wheel.wait_ns(now); wait && now + *wait <= end; wait = wheel.wait_ns(now)) {
      now += *wait;
      wheel.turn(now, [this](Spoke& spoke) { fired.push_back({now, &spoke}); });
    }
    now = end;
  }
  std::vector<int64_t> times_of(const Spoke& spoke) const {
    std::vector<int64_t> out;
    for (const auto& [at, who] : fired) {
      if (who == &spoke) out.push_back(at);
    }
    return out;
  }

  Wheel wheel{kPeriod};
  int64_t now = kStart;
  std::vector<std::pair<int64_t, Spoke*>> fired;
};

TEST_F(WheelTest, each_is_due_once_a_period) {
  std::array<Spoke, 5> spokes;
  for (Spoke& spoke : spokes) wheel.add(spoke, now);
  run_until(kStart + 10 * kPeriod);
  for (const Spoke& spoke : spokes) {
    const std::vector<int64_t> times = times_of(spoke);
    ASSERT_EQ(times.size(), 10u);
    for (size_t i = 1; i < times.size(); ++i) EXPECT_EQ(times[i] - times[i - 1], kPeriod);
  }
}

TEST_F(WheelTest, a_thousand_lie_evenly_over_the_period) {
  std::vector<Spoke> spokes(1000);
  for (Spoke& spoke : spokes) wheel.add(spoke, now);
  run_until(kStart + kPeriod);
  ASSERT_EQ(fired.size(), spokes.size());
  for (size_t i = 1; i < fired.size(); ++i) {
    EXPECT_GT(fired[i].first, fired[i - 1].first);  // Never two at once.
    EXPECT_LE(fired[i].first - fired[i - 1].first, kPeriod / 500);
  }
}

TEST_F(WheelTest, what_is_removed_is_not_due_any_more) {
  Spoke first, second;
  wheel.add(first, now);
  wheel.add(second, now);
  wheel.remove(first);
  run_until(kStart + 2 * kPeriod);
  EXPECT_TRUE(times_of(first).empty());
  EXPECT_EQ(times_of(second).size(), 2u);
  wheel.remove(second);
  EXPECT_FALSE(wheel.wait_ns(now).has_value());
}

TEST_F(WheelTest, one_may_remove_itself_when_it_is_due) {
  Spoke spoke;
  wheel.add(spoke, now);
  now += 2 * kPeriod;
  int count = 0;
  wheel.turn(now, [&](Spoke& due) {
    ++count;
    wheel.remove(due);
  });
  EXPECT_EQ(count, 1);
}

TEST_F(WheelTest, after_a_long_pause_each_is_due_once) {
  std::array<Spoke, 3> spokes;
  for (Spoke& spoke : spokes) wheel.add(spoke, now);
  now += 100 * kPeriod;
  wheel.turn(now, [this](Spoke& spoke) { fired.push_back({now, &spoke}); });
  EXPECT_EQ(fired.size(), spokes.size());
}

TEST_F(WheelTest, who_comes_after_an_empty_time_waits_less_than_a_period) {
  Spoke spoke;
  now += 1'000'000 * kPeriod;
  wheel.add(spoke, now);
  EXPECT_LE(wheel.wait_ns(now).value_or(kPeriod + 1), kPeriod);
  EXPECT_GT(wheel.wait_ns(now).value_or(0), 0);
}

}  // namespace
}  // namespace sluice::canned
