#include <sluice/resilience/recent_share.h>

#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "attempts.h"

namespace sluice::resilience {
namespace {

TEST(RecentShare, forgets_what_left_the_window) {
  RecentShare share;
  share.set_window(seconds(10));
  share.add_whole(at(seconds(0)));
  share.add_part(at(seconds(0)));
  share.add_whole(at(seconds(5)));
  EXPECT_EQ(share.counts(at(milliseconds(9999))).whole, 2u);
  EXPECT_EQ(share.counts(at(seconds(10))).whole, 1u);
  EXPECT_EQ(share.counts(at(seconds(10))).part, 0u);
  EXPECT_EQ(share.counts(at(seconds(15))).whole, 0u);
}

TEST(RecentShare, another_window_begins_anew_and_the_same_does_not) {
  RecentShare share;
  share.set_window(seconds(10));
  share.add_whole(at(seconds(0)));
  share.set_window(seconds(10));
  EXPECT_EQ(share.counts(at(seconds(0))).whole, 1u);
  share.set_window(seconds(20));
  EXPECT_EQ(share.counts(at(seconds(0))).whole, 0u);
}

// The window covers nine tenths at least, and never more than all of it.
TEST(RecentShare, agrees_with_a_list_of_all_events) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    RecentShare share;
    share.set_window(seconds(10));
    std::deque<MonoTime> wholes;
    MonoTime now = at(seconds(0));
    for (int i = 0; i < 2000; ++i) {
      now += random() % 40 == 0 ? milliseconds(random() % 25'000) : milliseconds(random() % 200);
      share.add_whole(now);
      wholes.push_back(now);
      uint32_t least = 0;
      uint32_t most = 0;
      for (const MonoTime time : wholes) {
        least += now - time < seconds(9) ? 1 : 0;
        most += now - time < seconds(10) ? 1 : 0;
      }
      const uint32_t counted = share.counts(now).whole;
      ASSERT_GE(counted, least) << "seed " << seed;
      ASSERT_LE(counted, most) << "seed " << seed;
      while (now - wholes.front() > seconds(11)) wholes.pop_front();
    }
  }
}

}  // namespace
}  // namespace sluice::resilience
