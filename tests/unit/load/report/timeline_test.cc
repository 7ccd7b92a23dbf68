#include "report/timeline.h"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

TEST(Timeline, each_second_has_its_own) {
  Timeline timeline;
  timeline.record(milliseconds(1));
  timeline.end_second({.started = 5, .completed = 4, .in_flight = 1});
  timeline.end_second({.started = 5, .completed = 4, .in_flight = 1});
  timeline.record(seconds(1));
  timeline.end_second({.started = 6, .completed = 6});
  ASSERT_EQ(timeline.seconds().size(), 3u);
  EXPECT_EQ(timeline.seconds()[0].counts.completed, 4u);
  EXPECT_EQ(timeline.seconds()[0].max, Duration(milliseconds(1)));
  EXPECT_EQ(timeline.seconds()[1].counts.started, 0u);
  EXPECT_EQ(timeline.seconds()[1].counts.in_flight, 1u);
  EXPECT_EQ(timeline.seconds()[1].max, Duration::zero());
  EXPECT_EQ(timeline.seconds()[2].counts.completed, 2u);
  EXPECT_EQ(timeline.seconds()[2].max, Duration(seconds(1)));
}

}  // namespace
}  // namespace sluice::load
