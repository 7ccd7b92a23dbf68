#include <sluice/limit/wait_times.h>

#include <gtest/gtest.h>

#include <limits>

namespace sluice::limit {
namespace {

double estimated_ms(const WaitTimes& times, uint32_t queue_size) {
  return static_cast<double>(times.estimate(queue_size) / milliseconds(1));
}

TEST(WaitTimes, says_the_least_while_nothing_is_known) {
  const WaitTimes times;
  EXPECT_EQ(times.estimate(0), seconds(1));
  EXPECT_EQ(times.estimate(1'000), seconds(1));
}

TEST(WaitTimes, follows_the_pace_of_service) {
  WaitTimes times;
  MonoTime now{seconds(100)};
  for (int i = 0; i < 100; ++i) times.note_served(seconds(30), now += milliseconds(500));
  EXPECT_NEAR(estimated_ms(times, 9), 5'000, 10);
  EXPECT_EQ(times.estimate(0), seconds(1));
  for (int i = 0; i < 100; ++i) times.note_served(seconds(30), now += seconds(2));
  EXPECT_NEAR(estimated_ms(times, 9), 20'000, 10);
}

TEST(WaitTimes, a_pause_without_a_line_is_no_slowness) {
  WaitTimes times;
  MonoTime now{seconds(100)};
  for (int i = 0; i < 100; ++i) times.note_served(seconds(3), now += milliseconds(500));
  times.note_served(milliseconds(500), now += seconds(3'600));
  EXPECT_NEAR(estimated_ms(times, 9), 5'000, 10);
}

TEST(WaitTimes, is_bounded) {
  WaitTimes times;
  MonoTime now{seconds(100)};
  times.note_served(seconds(50), now);
  EXPECT_EQ(times.estimate(10), seconds(60));
  EXPECT_EQ(times.estimate(std::numeric_limits<uint32_t>::max()), seconds(60));
}

}  // namespace
}  // namespace sluice::limit
