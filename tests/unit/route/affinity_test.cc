#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <sluice/route/affinity_key.h>

#include "fleet.h"

namespace sluice::route {
namespace {

using config::StrategyKind;

constexpr uint32_t kServers = 10;
constexpr uint32_t kKeys = 10'000;

uint64_t key(uint32_t number) {
  return affinity_key("session-" + std::to_string(number), "", "", "");
}

std::vector<uint32_t> homes(ShardRouter& shard, const RouteSet& usable, MonoTime now = kStart) {
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < kKeys; ++i) {
    found.push_back(shard.pick(usable, {.now = now, .affinity_key = key(i)}));
  }
  return found;
}

TEST(Affinity, a_key_stays_where_it_is_on_every_shard) {
  const Fleet fleet{StrategyKind::kAffinity, std::vector<Shape>(kServers)};
  ShardRouter one(fleet, 0);
  ShardRouter other(fleet, 5);
  const RouteSet all = RouteSet::first_n(kServers);
  EXPECT_EQ(homes(one, all), homes(one, all));
  EXPECT_EQ(homes(one, all), homes(other, all));
}

// Goal: a change of the file that moves routes about moves no session.
TEST(Affinity, a_key_follows_the_name_of_the_upstream) {
  const Fleet fleet{StrategyKind::kAffinity, std::vector<Shape>(3)};
  Fleet turned = fleet;
  std::swap(turned.models[0].routes[0], turned.models[0].routes[2]);
  ShardRouter before(fleet);
  ShardRouter after(turned);
  for (uint32_t i = 0; i < 100; ++i) {
    const Choice choice{.now = kStart, .affinity_key = key(i)};
    EXPECT_EQ(before.pick(RouteSet::first_n(3), choice),
              2 - after.pick(RouteSet::first_n(3), choice));
  }
}

TEST(Affinity, keys_are_spread_by_weight) {
  std::vector<Shape> shapes(4);
  shapes[3].weight = 5;
  const Fleet fleet{StrategyKind::kAffinity, shapes};
  ShardRouter shard(fleet);
  const std::vector<uint32_t> found = homes(shard, RouteSet::first_n(4));
  for (uint32_t server = 0; server < 4; ++server) {
    const double expected = kKeys * shapes[server].weight / 8.0;
    EXPECT_NEAR(static_cast<double>(std::ranges::count(found, server)), expected,
                4 * std::sqrt(expected));
  }
}

TEST(Affinity, removing_one_moves_only_its_keys_and_its_return_brings_them_back) {
  const Fleet fleet{StrategyKind::kAffinity, std::vector<Shape>(kServers)};
  ShardRouter shard(fleet);
  const RouteSet all = RouteSet::first_n(kServers);
  const std::vector<uint32_t> before = homes(shard, all);
  for (uint32_t gone = 0; gone < kServers; ++gone) {
    RouteSet left = all;
    left.remove(gone);
    const std::vector<uint32_t> without = homes(shard, left);
    std::vector<int> inherited(kServers);
    for (uint32_t i = 0; i < kKeys; ++i) {
      if (before[i] == gone) {
        EXPECT_NE(without[i], gone);
        ++inherited[without[i]];
      } else {
        ASSERT_EQ(without[i], before[i]) << "key " << i;
      }
    }
    // About 1,000 keys over nine heirs.
    for (uint32_t heir = 0; heir < kServers; ++heir) {
      if (heir != gone) {
        EXPECT_NEAR(inherited[heir], 111, 45);
      }
    }
  }
  EXPECT_EQ(homes(shard, all), before);
}

// Goal: slow start gives it a part of its own keys, and of nobody else's.
TEST(Affinity, a_returned_one_takes_its_keys_back_by_and_by) {
  std::vector<Shape> shapes(kServers);
  shapes[4].slow_start = seconds(100);
  const Fleet fleet{StrategyKind::kAffinity, shapes};
  ShardRouter shard(fleet);
  const RouteSet all = RouteSet::first_n(kServers);
  const std::vector<uint32_t> before = homes(shard, all);
  shard.stats(4).returned_at = kStart;
  int64_t last = 0;
  for (const int after : {0, 30, 60, 100}) {
    const std::vector<uint32_t> found = homes(shard, all, kStart + seconds(after));
    for (uint32_t i = 0; i < kKeys; ++i) {
      if (before[i] != 4) {
        ASSERT_EQ(found[i], before[i]);
      }
    }
    const int64_t here = std::ranges::count(found, 4u);
    EXPECT_GT(here, last);
    last = here;
  }
  EXPECT_EQ(last, std::ranges::count(before, 4u));
}

// Goal: one hot key cannot take a deployment beyond its part, and returns when there is room.
TEST(Affinity, the_load_stays_bounded) {
  Fleet fleet{StrategyKind::kAffinity, std::vector<Shape>(4)};
  fleet.models[0].affinity.load_factor = 1.25;
  ShardRouter shard(fleet);
  const RouteSet all = RouteSet::first_n(4);
  const Choice hot{.now = kStart, .affinity_key = key(1)};
  const uint32_t home = shard.pick(all, hot);
  uint32_t at_home = 0;
  for (uint32_t i = 1; i <= 1000; ++i) {
    const uint32_t picked = shard.pick(all, hot);
    shard.stats(picked).begin();
    at_home += picked == home ? 1 : 0;
    for (uint32_t server = 0; server < 4; ++server) {
      ASSERT_LE(shard.stats(server).in_flight(), std::ceil(1.25 * i / 4));
    }
  }
  EXPECT_EQ(at_home, 313u);
  while (shard.stats(home).in_flight() > 100) shard.stats(home).end();
  EXPECT_EQ(shard.pick(all, hot), home);
}

TEST(Affinity, the_load_of_the_other_shards_counts) {
  const Fleet fleet{StrategyKind::kAffinity, std::vector<Shape>(3)};
  ShardRouter shard(fleet);
  const RouteSet all = RouteSet::first_n(3);
  const Choice choice{.now = kStart, .affinity_key = key(9)};
  const uint32_t home = shard.pick(all, choice);
  shard.stats(home).hear({.in_flight = 50}, kStart);
  const uint32_t second = shard.pick(all, choice);
  EXPECT_NE(second, home);
  EXPECT_EQ(shard.pick(all, choice), second);
  for (uint32_t server = 0; server < 3; ++server) {
    shard.stats(server).hear({.in_flight = 50}, kStart);
  }
  EXPECT_EQ(shard.pick(all, choice), home);
}

// The bound of one request in flight rounds up, so an idle fleet keeps every key at home.
TEST(Affinity, the_tightest_factor_still_finds_room) {
  Fleet fleet{StrategyKind::kAffinity, std::vector<Shape>(7)};
  fleet.models[0].affinity.load_factor = 1;
  ShardRouter shard(fleet);
  for (uint32_t i = 0; i < 700; ++i) {
    shard.stats(shard.pick(RouteSet::first_n(7), {.now = kStart, .affinity_key = key(1)})).begin();
  }
  for (uint32_t server = 0; server < 7; ++server) EXPECT_EQ(shard.stats(server).in_flight(), 100u);
}

TEST(Affinity, without_a_key_it_is_the_power_of_two) {
  const Fleet fleet{StrategyKind::kAffinity, std::vector<Shape>(2)};
  ShardRouter shard(fleet);
  shard.stats(0).begin();
  EXPECT_EQ(shard.sequence(5), "bbbbb");
}

TEST(AffinityKey, is_of_the_first_text_that_is_not_empty) {
  EXPECT_EQ(affinity_key("", "", "", ""), 0u);
  EXPECT_EQ(affinity_key("s", "k", "u", "p"), stable_hash("s"));
  EXPECT_EQ(affinity_key("", "k", "u", "p"), stable_hash("k"));
  EXPECT_EQ(affinity_key("", "", "u", "p"), stable_hash("u"));
  EXPECT_EQ(affinity_key("", "", "", "p"), stable_hash("p"));
}

// Goal: another build or machine finds the same homes; a change here moves every session.
TEST(AffinityKey, hashes_stay_the_same) {
  EXPECT_EQ(stable_hash("session-1"), 16274663875831694096u);
  EXPECT_NE(stable_hash(""), 0u);
}

TEST(AffinityKey, tells_texts_apart_by_each_byte_and_the_length) {
  std::vector<uint64_t> hashes;
  std::string text;
  for (int length = 0; length < 40; ++length, text += '\0') {
    hashes.push_back(stable_hash(text));
    for (size_t at = 0; at < text.size(); ++at) {
      std::string other = text;
      other[at] = 'x';
      hashes.push_back(stable_hash(other));
    }
  }
  std::ranges::sort(hashes);
  EXPECT_EQ(std::ranges::adjacent_find(hashes), hashes.end());
}

}  // namespace
}  // namespace sluice::route
