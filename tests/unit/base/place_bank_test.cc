#include <sluice/base/place_bank.h>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "../../support/prng.h"

namespace sluice {
namespace {

constexpr ShardId kFirst{0};
constexpr ShardId kSecond{1};
constexpr ShardId kThird{2};

MonoTime at(int64_t second) { return MonoTime(seconds(second)); }

TEST(PlaceBank, d038_no_more_than_most_are_taken) {
  PlaceBank bank(2);
  bank.set_most(3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(bank.is_full());
    EXPECT_TRUE(bank.try_take());
  }
  EXPECT_TRUE(bank.is_full());
  EXPECT_FALSE(bank.try_take());
  EXPECT_EQ(bank.in_use(), 3u);
  EXPECT_EQ(bank.give_back(), std::nullopt);
  EXPECT_TRUE(bank.try_take());
  EXPECT_FALSE(bank.try_take());
}

TEST(PlaceBank, zero_is_no_limit_and_still_counts) {
  PlaceBank bank(1);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(bank.try_take());
  EXPECT_FALSE(bank.is_full());
  EXPECT_EQ(bank.in_use(), 1'000u);
  bank.set_most(10);
  EXPECT_FALSE(bank.try_take());
}

// The three ways in which one giving back can fall between the steps of a waiter.
TEST(PlaceBank, d038_a_waiter_gets_the_place_whenever_it_is_given_back) {
  {  // Before it has published: the try after it finds the place.
    PlaceBank bank(1);
    bank.set_most(1);
    ASSERT_TRUE(bank.try_take());
    EXPECT_FALSE(bank.try_take());
    EXPECT_EQ(bank.give_back(), std::nullopt);
    bank.publish_wait(kFirst, at(1));
    EXPECT_TRUE(bank.try_take());
    EXPECT_FALSE(bank.take_handed(kFirst));
  }
  {  // Between publishing and trying: it is handed over, and the try does not take a second one.
    PlaceBank bank(1);
    bank.set_most(1);
    ASSERT_TRUE(bank.try_take());
    bank.publish_wait(kFirst, at(1));
    EXPECT_EQ(bank.give_back(), kFirst);
    EXPECT_FALSE(bank.try_take());
    EXPECT_TRUE(bank.take_handed(kFirst));
    EXPECT_FALSE(bank.take_handed(kFirst));
  }
  {  // After the try.
    PlaceBank bank(1);
    bank.set_most(1);
    ASSERT_TRUE(bank.try_take());
    bank.publish_wait(kFirst, at(1));
    EXPECT_FALSE(bank.try_take());
    EXPECT_EQ(bank.give_back(), kFirst);
    EXPECT_TRUE(bank.take_handed(kFirst));
  }
}

TEST(PlaceBank, d038_the_shard_that_waits_longest_is_served) {
  PlaceBank bank(3);
  bank.set_most(1);
  ASSERT_TRUE(bank.try_take());
  bank.publish_wait(kFirst, at(7));
  bank.publish_wait(kSecond, at(3));
  bank.publish_wait(kThird, at(5));
  std::vector<uint32_t> served;
  while (const std::optional<ShardId> shard = bank.give_back()) {
    served.push_back(shard->value);
    EXPECT_EQ(bank.in_use(), 1u);  // Nobody can slip in between.
    EXPECT_FALSE(bank.try_take());
    ASSERT_TRUE(bank.take_handed(*shard));
    bank.publish_wait(*shard, MonoTime::max());
  }
  EXPECT_EQ(served, (std::vector<uint32_t>{1, 2, 0}));
  EXPECT_EQ(bank.in_use(), 0u);
}

TEST(PlaceBank, d122_a_lower_limit_takes_nobodys_place_and_lets_no_more_in) {
  PlaceBank bank(1);
  bank.set_most(4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(bank.try_take());
  bank.publish_wait(kFirst, at(1));
  bank.set_most(2);
  EXPECT_EQ(bank.hand_one(), std::nullopt);
  EXPECT_EQ(bank.in_use(), 4u);
  EXPECT_EQ(bank.give_back(), std::nullopt);
  EXPECT_EQ(bank.give_back(), std::nullopt);
  EXPECT_FALSE(bank.try_take());
  EXPECT_EQ(bank.give_back(), kFirst);
  EXPECT_EQ(bank.in_use(), 2u);
}

TEST(PlaceBank, d122_a_raised_limit_serves_those_that_wait) {
  PlaceBank bank(2);
  bank.set_most(1);
  ASSERT_TRUE(bank.try_take());
  bank.publish_wait(kSecond, at(1));
  EXPECT_FALSE(bank.try_take());
  bank.set_most(3);
  EXPECT_EQ(bank.hand_one(), kSecond);
  EXPECT_EQ(bank.hand_one(), kSecond);
  EXPECT_EQ(bank.hand_one(), std::nullopt);
  // It had one request: the other place is for whoever comes.
  EXPECT_TRUE(bank.take_handed(kSecond));
  EXPECT_TRUE(bank.take_handed(kSecond));
  bank.publish_wait(kSecond, MonoTime::max());
  EXPECT_EQ(bank.give_back(), std::nullopt);
  EXPECT_EQ(bank.in_use(), 2u);
}

// Shards on threads of their own that want places all the time. Sees more holders than there may
// be, and a waiter that nobody serves.
class Crowd {
 public:
  Crowd(uint32_t shards, uint32_t most, uint32_t rounds, uint32_t yields_max)
      : bank_(shards), most_(most), rounds_(rounds), yields_max_(yields_max), unfinished_(shards) {
    bank_.set_most(most);
  }

  // With `resizes`, this thread raises and lowers the limit meanwhile, between 1 and `most`.
  void run(uint64_t seed, uint32_t shards, bool resizes) {
    // All are taken until every shard waits: else a schedule may be such that nobody ever does.
    for (uint32_t i = 0; i < most_; ++i) EXPECT_TRUE(bank_.try_take());
    std::vector<std::jthread> threads;
    for (uint32_t i = 0; i < shards; ++i) {
      threads.emplace_back([this, i, seed] { live(ShardId{i}, seed + i); });
    }
    for (uint32_t look = 0; look < kLooksMax && waits_.load() < shards; ++look) {
      std::this_thread::yield();
    }
    for (uint32_t i = 0; i < most_; ++i) wake(bank_.give_back());
    support::Prng random(seed + 1'000);
    while (resizes && unfinished_.load() > 0) {
      bank_.set_most(static_cast<uint32_t>(random.between(1, most_)));
      // May never end while the limit is not reached and shards give back: hence the bound.
      for (uint32_t i = 0; i < most_; ++i) wake(bank_.hand_one());
      std::this_thread::yield();
    }
    threads.clear();
    for (uint32_t i = 0; i < shards; ++i) pass_on_what_was_handed(ShardId{i});
  }

  [[nodiscard]] uint32_t in_use() const { return bank_.in_use(); }
  [[nodiscard]] uint32_t holders_most() const { return holders_most_.load(); }
  [[nodiscard]] uint32_t lost() const { return lost_.load(); }
  [[nodiscard]] uint32_t waits() const { return waits_.load(); }

 private:
  static constexpr uint32_t kLooksMax = 20'000'000;
  static constexpr uint32_t kSpins = 100;

  struct alignas(64) Bell {
    std::atomic<bool> rang{false};
  };

  void wake(std::optional<ShardId> shard) {
    if (shard) bells_[shard->value].rang.store(true);
  }
  void pass_on_what_was_handed(ShardId shard) {
    while (bank_.take_handed(shard)) wake(bank_.give_back());
  }
  void live(ShardId shard, uint64_t seed) {
    support::Prng random(seed);
    for (uint32_t round = 0; round < rounds_; ++round) {
      if (!take(shard)) {
        lost_.fetch_add(1);
        break;
      }
      hold(yields_max_ == 0 ? 0 : random.below(yields_max_ + 1));
      wake(bank_.give_back());
      // What came too late for us.
      if (bells_[shard.value].rang.exchange(false)) pass_on_what_was_handed(shard);
    }
    unfinished_.fetch_sub(1);
    while (unfinished_.load() > 0) {
      pass_on_what_was_handed(shard);
      std::this_thread::yield();
    }
  }
  bool take(ShardId shard) {
    if (bank_.try_take()) return true;
    bank_.publish_wait(shard, at(clock_.fetch_add(1)));
    const bool is_taken = bank_.try_take() || wait_for_bell(shard);
    bank_.publish_wait(shard, MonoTime::max());
    return is_taken;
  }
  // Looks only when it was woken, as a shard that sleeps does.
  bool wait_for_bell(ShardId shard) {
    waits_.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t look = 0; look < kLooksMax; ++look) {
      if (bells_[shard.value].rang.exchange(false) && bank_.take_handed(shard)) return true;
      // Two shards on two cores meet in the middle of each other's steps only if they keep running.
      if (look % kSpins == kSpins - 1) std::this_thread::yield();
    }
    return false;
  }
  void hold(uint64_t yields) {
    const uint32_t now = holders_.fetch_add(1) + 1;
    uint32_t most = holders_most_.load();
    while (now > most && !holders_most_.compare_exchange_weak(most, now)) {
    }
    for (; yields > 0; --yields) std::this_thread::yield();
    holders_.fetch_sub(1);
  }

  PlaceBank bank_;
  uint32_t most_;
  uint32_t rounds_;
  uint32_t yields_max_;  // While holding a place.
  std::array<Bell, 8> bells_;
  std::atomic<int64_t> clock_{0};
  std::atomic<uint32_t> unfinished_;
  std::atomic<uint32_t> holders_{0};
  std::atomic<uint32_t> holders_most_{0};
  std::atomic<uint32_t> lost_{0};
  std::atomic<uint32_t> waits_{0};
};

TEST(PlaceBankStress, d038_is_exact_and_loses_no_wake_up_among_threads) {
  for (const uint32_t most : {1u, 2u, 3u}) {
    SCOPED_TRACE("most " + std::to_string(most) + ", seed " + std::to_string(most * 100));
    Crowd crowd(4, most, 5'000, 2);
    crowd.run(most * 100, 4, false);
    EXPECT_LE(crowd.holders_most(), most);
    EXPECT_EQ(crowd.lost(), 0u);
    EXPECT_EQ(crowd.in_use(), 0u);
    EXPECT_GE(crowd.waits(), 4u);
  }
}

TEST(PlaceBankStress, d038_two_shards_that_never_rest) {
  Crowd crowd(2, 1, 300'000, 0);
  crowd.run(7, 2, false);
  EXPECT_EQ(crowd.holders_most(), 1u);
  EXPECT_EQ(crowd.lost(), 0u);
  EXPECT_EQ(crowd.in_use(), 0u);
}

// One gives back while one begins to wait, and nothing follows that would mend what was lost.
TEST(PlaceBankStress, d038_one_gives_back_while_one_begins_to_wait) {
  constexpr int kEpisodes = 20'000;
  PlaceBank bank(2);
  bank.set_most(1);
  std::barrier meet(2);
  int lost = 0;
  std::jthread giver([&] {
    for (int i = 0; i < kEpisodes; ++i) {
      EXPECT_TRUE(bank.try_take());
      meet.arrive_and_wait();
      std::ignore = bank.give_back();
      meet.arrive_and_wait();
      meet.arrive_and_wait();
    }
  });
  for (int i = 0; i < kEpisodes; ++i) {
    meet.arrive_and_wait();
    bank.publish_wait(kSecond, at(i));
    const bool is_taken = bank.try_take();
    meet.arrive_and_wait();
    const bool is_handed = bank.take_handed(kSecond);
    lost += is_taken || is_handed ? 0 : 1;
    EXPECT_FALSE(is_taken && is_handed);
    bank.publish_wait(kSecond, MonoTime::max());
    if (is_taken || is_handed) EXPECT_EQ(bank.give_back(), std::nullopt);
    meet.arrive_and_wait();
  }
  giver.join();
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(bank.in_use(), 0u);
}

TEST(PlaceBankStress, d038_two_that_try_for_the_last_place_at_once) {
  constexpr int kEpisodes = 20'000;
  PlaceBank bank(2);
  bank.set_most(1);
  std::barrier meet(2);
  std::atomic<int> taken{0};
  int wrong = 0;
  const auto try_once = [&] {
    meet.arrive_and_wait();
    if (bank.try_take()) taken.fetch_add(1);
    meet.arrive_and_wait();
  };
  std::jthread other([&] {
    for (int i = 0; i < kEpisodes; ++i) try_once();
  });
  for (int i = 0; i < kEpisodes; ++i) {
    try_once();
    const int took = taken.exchange(0);
    wrong += took == 1 ? 0 : 1;
    for (int back = 0; back < took; ++back) std::ignore = bank.give_back();
  }
  other.join();
  EXPECT_EQ(wrong, 0);
}

TEST(PlaceBankStress, d122_resizing_loses_neither_places_nor_wake_ups) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Crowd crowd(4, 3, 5'000, 2);
    crowd.run(seed, 4, true);
    EXPECT_LE(crowd.holders_most(), 3u);
    EXPECT_EQ(crowd.lost(), 0u);
    EXPECT_EQ(crowd.in_use(), 0u);
  }
}

}  // namespace
}  // namespace sluice
