#include <sluice/limit/place.h>

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace sluice::limit {
namespace {

constexpr ShardId kHere{0};
constexpr ShardId kThere{1};

struct NotedWaker final : ShardWaker {
  void wake(ShardId shard) noexcept override { woken.push_back(shard); }
  std::vector<ShardId> woken;
};

struct PlaceTest : testing::Test {
  PlaceTest() { bank.set_most(1); }
  PlaceBank bank{2};
  NotedWaker waker;
};

TEST_F(PlaceTest, is_given_back_when_dropped) {
  {
    const std::optional<Place> place = take_place(bank, waker);
    ASSERT_TRUE(place);
    EXPECT_TRUE(place->is_held());
    EXPECT_EQ(place->bank(), &bank);
    EXPECT_EQ(bank.in_use(), 1u);
    EXPECT_FALSE(take_place(bank, waker));
  }
  EXPECT_EQ(bank.in_use(), 0u);
  EXPECT_TRUE(waker.woken.empty());
}

TEST_F(PlaceTest, is_given_back_once_however_it_moves) {
  std::optional<Place> taken = take_place(bank, waker);
  Place moved = std::move(*taken);
  EXPECT_FALSE(taken->is_held());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(taken->bank(), nullptr);
  taken.reset();
  EXPECT_EQ(bank.in_use(), 1u);
  Place assigned;
  EXPECT_FALSE(assigned.is_held());
  assigned = std::move(moved);
  EXPECT_EQ(bank.in_use(), 1u);
  assigned.release();
  assigned.release();
  EXPECT_EQ(bank.in_use(), 0u);
}

TEST_F(PlaceTest, assigning_gives_back_what_was_held) {
  PlaceBank other(1);
  other.set_most(1);
  Place place = *take_place(bank, waker);
  place = *take_place(other, waker);
  EXPECT_EQ(bank.in_use(), 0u);
  EXPECT_EQ(other.in_use(), 1u);
  EXPECT_EQ(place.bank(), &other);
}

TEST_F(PlaceTest, d038_who_waits_longest_is_handed_the_place_and_woken) {
  std::optional<Place> place = take_place(bank, waker);
  bank.publish_wait(kHere, MonoTime(seconds(2)));
  bank.publish_wait(kThere, MonoTime(seconds(1)));
  place.reset();
  EXPECT_EQ(waker.woken, (std::vector{kThere}));
  EXPECT_EQ(bank.in_use(), 1u);
  EXPECT_FALSE(bank.take_handed(kHere));
  ASSERT_TRUE(bank.take_handed(kThere));
  // One that has nobody for it any more passes it on.
  bank.publish_wait(kThere, MonoTime::max());
  Place(bank, waker).release();
  EXPECT_EQ(waker.woken, (std::vector{kThere, kHere}));
}

}  // namespace
}  // namespace sluice::limit
