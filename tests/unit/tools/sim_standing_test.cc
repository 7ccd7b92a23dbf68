#include "standing.h"

#include <gtest/gtest.h>

#include "slots.h"

namespace sluice::sim {
namespace {

TEST(Standing, settings_of_the_server_and_of_its_shape_are_read_together) {
  Standing standing;
  ASSERT_TRUE(standing.set_all("slots=4&waiting=0&busy=429&health=503&down=1&ttft=7ms"));
  EXPECT_EQ(standing.slots, 4u);
  EXPECT_EQ(standing.waiting, 0u);
  EXPECT_EQ(standing.busy, 429);
  EXPECT_EQ(standing.health, 503);
  EXPECT_TRUE(standing.is_down);
  EXPECT_EQ(standing.shape.ttft, milliseconds(7));
}

TEST(Standing, what_is_wrong_is_refused) {
  for (const char* text : {"slots=-1", "slots=x", "busy=200", "busy=0", "health=99", "down=2",
                           "nonsense=1", "slots", "waiting=1000001"}) {
    Standing standing;
    EXPECT_FALSE(standing.set_all(text)) << text;
  }
}

TEST(SharedStanding, a_change_is_seen_by_its_version_and_a_wrong_one_changes_nothing) {
  SharedStanding shared(Standing{});
  const uint64_t first = shared.version();
  EXPECT_FALSE(shared.change("slots=3&fault=nonsense"));
  EXPECT_EQ(shared.version(), first);
  EXPECT_EQ(shared.copy().slots, 0u);
  EXPECT_TRUE(shared.change("slots=3"));
  EXPECT_NE(shared.version(), first);
  EXPECT_TRUE(shared.change("down=1"));
  EXPECT_EQ(shared.copy().slots, 3u);
}

uint64_t struck(std::string_view settings, uint64_t seed, uint64_t draws) {
  Shape plain;
  EXPECT_TRUE(plain.set_all(settings));
  uint64_t count = 0;
  for (uint64_t i = 0; i < draws; ++i) {
    Shape shape = plain;
    shape.settle(scatter(seed + i));
    count += shape.faults.has(Fault::kStatus) ? 1 : 0;
  }
  return count;
}

TEST(Shape, a_share_of_requests_is_struck_and_the_same_ones_for_the_same_seed) {
  const uint64_t count = struck("fault=20%:status:503", 1, 10'000);
  EXPECT_NEAR(static_cast<double>(count), 2000, 160);
  EXPECT_EQ(count, struck("fault=20%:status:503", 1, 10'000));
  EXPECT_EQ(struck("fault=0%:status:503", 1, 1000), 0u);
  EXPECT_EQ(struck("fault=100%:status:503", 1, 1000), 1000u);
  EXPECT_EQ(struck("fault=status:503", 1, 1000), 1000u);
}

TEST(Shape, faults_of_one_request_are_decided_apart) {
  Shape plain;
  ASSERT_TRUE(plain.set_all("fault=50%:crlf,50%:comments"));
  uint64_t both = 0;
  for (uint64_t i = 0; i < 4000; ++i) {
    Shape shape = plain;
    shape.settle(scatter(i));
    both += shape.faults.has(Fault::kCrlf) && shape.faults.has(Fault::kComments) ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(both), 1000, 120);
}

TEST(Shape, some_first_tokens_come_later) {
  Shape plain;
  ASSERT_TRUE(plain.set_all("ttft=10ms&slow-first=5%:2s"));
  uint64_t late = 0;
  for (uint64_t i = 0; i < 10'000; ++i) {
    Shape shape = plain;
    shape.settle(scatter(i));
    ASSERT_TRUE(shape.ttft == milliseconds(10) || shape.ttft == milliseconds(2010));
    late += shape.ttft > seconds(1) ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(late), 500, 90);
}

TEST(Shape, shares_that_are_wrong_are_refused) {
  for (const char* text :
       {"fault=101%:stall", "fault=-1%:stall", "fault=%:stall", "fault=20%:", "fault=20%:nonsense",
        "slow-first=5%", "slow-first=5:2s", "slow-first=5%:2", "slow-first=x%:2s"}) {
    Shape shape;
    EXPECT_FALSE(shape.set_all(text)) << text;
  }
}

class SlotsTest : public testing::Test {
 protected:
  io::ReadyQueue ready;
  Slots slots;
};

TEST_F(SlotsTest, without_a_limit_all_are_served) {
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(slots.take(0));
}

TEST_F(SlotsTest, a_slot_given_back_goes_to_the_first_in_line) {
  ASSERT_TRUE(slots.take(1));
  ASSERT_FALSE(slots.take(1));
  Slots::Waiter first(ready), second(ready), third(ready);
  ASSERT_TRUE(slots.wait(first, 2));
  ASSERT_TRUE(slots.wait(second, 2));
  EXPECT_FALSE(slots.wait(third, 2));
  slots.give_back();
  EXPECT_TRUE(first.granted.is_ready());
  EXPECT_FALSE(second.granted.is_ready());
  EXPECT_FALSE(slots.take(1)) << "one that comes does not go before those that wait";
}

TEST_F(SlotsTest, one_that_leaves_is_passed_over) {
  ASSERT_TRUE(slots.take(1));
  Slots::Waiter first(ready), second(ready);
  ASSERT_TRUE(slots.wait(first, 2));
  ASSERT_TRUE(slots.wait(second, 2));
  slots.leave(first);
  slots.give_back();
  EXPECT_FALSE(first.granted.is_ready());
  EXPECT_TRUE(second.granted.is_ready());
  slots.give_back();
  EXPECT_TRUE(slots.take(1));
}

TEST_F(SlotsTest, a_limit_that_is_raised_serves_those_that_wait_before_the_one_that_comes) {
  ASSERT_TRUE(slots.take(1));
  Slots::Waiter first(ready);
  ASSERT_TRUE(slots.wait(first, 1));
  EXPECT_FALSE(slots.take(2));
  EXPECT_TRUE(first.granted.is_ready());
}

}  // namespace
}  // namespace sluice::sim
