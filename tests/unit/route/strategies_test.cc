#include <sluice/route/strategies.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "fleet.h"

namespace sluice::route {
namespace {

using config::StrategyKind;

RouteSet set_of(std::initializer_list<uint32_t> indices) {
  RouteSet set;
  for (const uint32_t index : indices) set.add(index);
  return set;
}

// Within four standard deviations of what `picks` draws with the chance `part` give; the seeds are
// fixed, so this holds always or never.
void expect_part(int count, int picks, double part) {
  const double expected = picks * part;
  EXPECT_NEAR(count, expected, 4 * std::sqrt(expected * (1 - part)) + 1e-9);
}

TEST(RoundRobin, takes_turns_whatever_the_weights) {
  const Fleet fleet(StrategyKind::kRoundRobin, {{.weight = 9}, {}, {}});
  EXPECT_EQ(ShardRouter(fleet).sequence(7), "abcabca");
}

// Goal: the turns of an unusable one are spread, not all given to the one behind it.
TEST(RoundRobin, the_others_stay_even_when_one_is_unusable) {
  const Fleet fleet{StrategyKind::kRoundRobin, std::vector<Shape>(4)};
  ShardRouter shard(fleet);
  EXPECT_EQ(shard.sequence(6, set_of({0, 2, 3})), "acdacd");
  // It returns as the one whose turn is longest ago, once.
  EXPECT_EQ(shard.sequence(8), "bacdbacd");
}

TEST(RoundRobin, d089_is_exact_when_usable_ones_change_at_random) {
  support::Prng random(7);
  const Fleet fleet{StrategyKind::kRoundRobin, std::vector<Shape>(5)};
  ShardRouter shard(fleet);
  int a = 0;
  int b = 0;
  for (int i = 0; i < 100'000; ++i) {
    RouteSet usable = set_of({0, 1});
    for (uint32_t index = 2; index < 5; ++index) {
      if (random.chance(500)) usable.add(index);
    }
    const uint32_t picked = shard.pick(usable);
    a += picked == 0 ? 1 : 0;
    b += picked == 1 ? 1 : 0;
    ASSERT_LE(std::abs(a - b), 1) << "after " << i;
  }
}

// Goal: no counter exists that could wrap: positions stay below the number of candidates.
TEST(RoundRobin, d089_positions_stay_an_order) {
  const DeploymentStats stats;
  std::vector<Candidate> candidates(7, {.stats = &stats});
  for (int i = 0; i < 1000; ++i) {
    static_cast<void>(choose_round_robin(candidates, RouteSet::first_n(7)));
    for (const Candidate& candidate : candidates) {
      ASSERT_GE(candidate.position, 0);
      ASSERT_LT(candidate.position, 7);
    }
  }
}

TEST(Weighted, spreads_a_heavy_candidate_evenly) {
  const Fleet fleet(StrategyKind::kWeighted, {{.weight = 5}, {}, {}});
  EXPECT_EQ(ShardRouter(fleet).sequence(7), "aabacaa");
}

TEST(Weighted, chooses_usable_candidates_only) {
  const Fleet fleet{StrategyKind::kWeighted, std::vector<Shape>(64)};
  ShardRouter shard(fleet);
  EXPECT_EQ(shard.sequence(4, set_of({1, 3})), "bdbd");
  EXPECT_EQ(shard.pick(set_of({63})), 63u);
}

TEST(Weighted, d089_one_shard_is_exact_over_whole_cycles) {
  const Fleet fleet(StrategyKind::kWeighted, {{.weight = 3}, {.weight = 2}, {.weight = 5}});
  const std::string picks = ShardRouter(fleet, 7).sequence(10'000);
  EXPECT_EQ(std::ranges::count(picks, 'a'), 3000);
  EXPECT_EQ(std::ranges::count(picks, 'b'), 2000);
  EXPECT_EQ(std::ranges::count(picks, 'c'), 5000);
}

// Goal: the ratio of those that are left is exact too.
TEST(Weighted, d089_is_exact_without_one) {
  const Fleet fleet(StrategyKind::kWeighted, {{.weight = 3}, {.weight = 7}, {.weight = 1}});
  ShardRouter shard(fleet);
  const std::vector<int> counts = shard.counts(4000, 3, set_of({0, 2}));
  EXPECT_EQ(counts, (std::vector<int>{3000, 0, 1000}));
}

// Goal: no counter exists that could wrap. After each cycle every position is back at zero, so the
// state after 2^64 - 2 choices is one that the first cycle has shown.
TEST(Weighted, d089_positions_repeat_after_each_cycle) {
  const DeploymentStats stats;
  std::vector<Candidate> candidates = {{.weight = 1000, .stats = &stats},
                                       {.weight = 333, .stats = &stats},
                                       {.weight = 7, .stats = &stats}};
  for (int cycle = 0; cycle < 3; ++cycle) {
    std::vector<int> counts(3);
    for (int i = 0; i < 1340; ++i) {
      ++counts[choose_weighted(candidates, RouteSet::first_n(3), {.now = kStart})];
    }
    for (const Candidate& candidate : candidates) EXPECT_EQ(candidate.position, 0);
    EXPECT_EQ(counts, (std::vector<int>{1000, 333, 7}));
  }
}

// Goal: the largest weights that config takes (1000 * 1000) stay far from overflow.
TEST(Weighted, d089_positions_stay_within_the_sum_of_the_shares) {
  const DeploymentStats stats;
  std::vector<Candidate> candidates(256, {.weight = 1'000'000, .stats = &stats});
  candidates[5].weight = 1;
  for (int i = 0; i < 20'000; ++i) {
    static_cast<void>(choose_weighted(candidates, RouteSet::first_n(256), {.now = kStart}));
    for (const Candidate& candidate : candidates) {
      ASSERT_LE(std::abs(candidate.position), int64_t{256} * 1'000'000 * kFullShare);
    }
  }
}

TEST(Random, draws_by_weight) {
  const Fleet fleet(StrategyKind::kRandom, {{.weight = 1}, {.weight = 2}, {.weight = 5}});
  ShardRouter shard(fleet);
  const std::vector<int> counts = shard.counts(80'000, 3, RouteSet::first_n(3));
  expect_part(counts[0], 80'000, 1 / 8.0);
  expect_part(counts[1], 80'000, 2 / 8.0);
  expect_part(counts[2], 80'000, 5 / 8.0);
  const std::vector<int> left = shard.counts(30'000, 3, set_of({0, 1}));
  expect_part(left[0], 30'000, 1 / 3.0);
  EXPECT_EQ(left[2], 0);
}

TEST(Random, reaches_both_ends_of_the_range) {
  const DeploymentStats stats;
  const std::vector<Candidate> candidates(3, {.stats = &stats});
  const RouteSet all = RouteSet::first_n(3);
  EXPECT_EQ(choose_random(candidates, all, {.now = kStart, .random = 0}), 0u);
  EXPECT_EQ(choose_random(candidates, all, {.now = kStart, .random = ~uint64_t{0}}), 2u);
}

TEST(LeastBusy, takes_the_one_with_the_fewest_in_flight_until_they_end) {
  const Fleet fleet{StrategyKind::kLeastBusy, std::vector<Shape>(3)};
  ShardRouter shard(fleet);
  for (uint32_t i = 0; i < 3; ++i) shard.stats(i).begin();
  shard.stats(0).begin();
  shard.stats(1).begin();
  EXPECT_EQ(shard.sequence(3), "ccc");
  EXPECT_EQ(shard.sequence(3, set_of({0})), "aaa");
  shard.stats(0).end();
  shard.stats(0).end();
  EXPECT_EQ(shard.sequence(3), "aaa");
}

TEST(LeastBusy, counts_the_other_shards_and_the_weight) {
  const Fleet fleet(StrategyKind::kLeastBusy, {{}, {.weight = 2}});
  ShardRouter shard(fleet);
  shard.stats(0).hear({.in_flight = 4}, kStart);
  shard.stats(1).hear({.in_flight = 8}, kStart);
  EXPECT_EQ(shard.sequence(1), "b");  // 9 for a weight of 2 before 5 for 1.
  shard.stats(1).hear({.in_flight = 12}, kStart);
  EXPECT_EQ(shard.sequence(1), "a");
}

TEST(LeastBusy, breaks_ties_at_random_by_weight) {
  const Fleet fleet(StrategyKind::kLeastBusy, {{}, {}, {.weight = 1}, {.weight = 2}});
  ShardRouter shard(fleet);
  shard.stats(3).begin();  // (1 + 1) / 2 is what the others have.
  const std::vector<int> counts = shard.counts(50'000, 4, RouteSet::first_n(4));
  for (uint32_t i = 0; i < 3; ++i) expect_part(counts[i], 50'000, 1 / 5.0);
  expect_part(counts[3], 50'000, 2 / 5.0);
}

// Goal: what this shard has sent somewhere since the merge, the others are taken to have sent as
// well, so that not all of them run to what was the least busy then.
TEST(LeastBusy, does_not_fill_alone_what_all_shards_see_empty) {
  const Fleet fleet(StrategyKind::kLeastBusy, {{}, {}});
  ShardRouter shard(fleet);
  for (int i = 0; i < 10; ++i) shard.stats(0).begin();
  for (int i = 0; i < 2; ++i) shard.stats(1).begin();
  // Three others like this one.
  shard.stats(0).hear({.in_flight = 30}, kStart);
  shard.stats(1).hear({.in_flight = 6}, kStart);
  int sent = 0;
  while (shard.pick(RouteSet::first_n(2)) == 1) {
    shard.stats(1).begin();
    ++sent;
  }
  EXPECT_GE(sent, 8);
  EXPECT_LE(sent, 9);  // And not 32; eight make it equal.
}

TEST(PowerOfTwo, prefers_the_lesser_latency_times_in_flight) {
  const Fleet fleet(StrategyKind::kPowerOfTwo, {{}, {}});
  ShardRouter shard(fleet);
  shard.stats(0).first_token.note(milliseconds(10), kStart);
  shard.stats(1).first_token.note(milliseconds(25), kStart);
  const RouteSet all = RouteSet::first_n(2);
  const Choice stream{.now = kStart, .is_stream = true};
  EXPECT_EQ(shard.pick(all, stream), 0u);
  shard.stats(0).begin();
  EXPECT_EQ(shard.pick(all, stream), 0u);  // 20 before 25.
  shard.stats(0).begin();
  EXPECT_EQ(shard.pick(all, stream), 1u);  // 25 before 30.
  EXPECT_EQ(shard.pick(set_of({0}), stream), 0u);
}

TEST(PowerOfTwo, draws_two_and_never_the_worst_of_three) {
  const Fleet fleet{StrategyKind::kPowerOfTwo, std::vector<Shape>(3)};
  ShardRouter shard(fleet);
  for (uint32_t i = 0; i < 3; ++i) shard.stats(i).whole.note(seconds(1 + i), kStart);
  const std::vector<int> counts = shard.counts(30'000, 3, RouteSet::first_n(3));
  expect_part(counts[0], 30'000, 2 / 3.0);
  expect_part(counts[1], 30'000, 1 / 3.0);
  EXPECT_EQ(counts[2], 0);
}

TEST(PowerOfTwo, draws_all_pairs_alike) {
  const Fleet fleet{StrategyKind::kPowerOfTwo, std::vector<Shape>(64)};
  ShardRouter shard(fleet);
  for (const int count : shard.counts(64'000, 64, RouteSet::first_n(64))) {
    expect_part(count, 64'000, 1 / 64.0);
  }
}

// Goal: an unknown one is neither flooded nor starved: its latency counts as the other's.
TEST(PowerOfTwo, explores_unknown_latencies_by_requests_in_flight) {
  const Fleet fleet(StrategyKind::kPowerOfTwo, {{}, {}});
  ShardRouter shard(fleet);
  shard.stats(0).whole.note(seconds(1), kStart);
  const std::vector<int> idle = shard.counts(10'000, 2, RouteSet::first_n(2));
  expect_part(idle[1], 10'000, 0.5);
  shard.stats(1).begin();
  EXPECT_EQ(shard.sequence(3), "aaa");
  shard.stats(0).begin();
  shard.stats(0).begin();
  EXPECT_EQ(shard.sequence(3), "bbb");
}

TEST(LowestLatency, shares_among_those_within_a_tenth_by_weight) {
  const Fleet fleet(StrategyKind::kLowestLatency, {{}, {.weight = 3}, {}, {}});
  ShardRouter shard(fleet);
  const Choice stream{.now = kStart, .is_stream = true};
  shard.stats(0).first_token.note(milliseconds(100), kStart);
  shard.stats(1).first_token.note(milliseconds(110), kStart);
  shard.stats(2).first_token.note(milliseconds(112), kStart);
  shard.stats(3).first_token.note(milliseconds(500), kStart);
  const std::vector<int> counts = shard.counts(40'000, 4, RouteSet::first_n(4), stream);
  expect_part(counts[0], 40'000, 1 / 4.0);
  expect_part(counts[1], 40'000, 3 / 4.0);
  EXPECT_EQ(counts[2] + counts[3], 0);
  const std::vector<int> without = shard.counts(100, 4, set_of({2, 3}), stream);
  EXPECT_EQ(without[2], 100);
}

TEST(LowestLatency, looks_at_streams_and_whole_answers_apart) {
  const Fleet fleet(StrategyKind::kLowestLatency, {{}, {}});
  ShardRouter shard(fleet);
  shard.stats(0).first_token.note(milliseconds(1), kStart);
  shard.stats(1).first_token.note(milliseconds(2), kStart);
  shard.stats(0).whole.note(seconds(2), kStart);
  shard.stats(1).whole.note(seconds(1), kStart);
  const RouteSet all = RouteSet::first_n(2);
  EXPECT_EQ(shard.pick(all, {.now = kStart, .is_stream = true}), 0u);
  EXPECT_EQ(shard.pick(all, {.now = kStart, .is_stream = false}), 1u);
}

TEST(LowestLatency, gives_an_unknown_one_a_single_request_at_a_time) {
  const Fleet fleet(StrategyKind::kLowestLatency, {{}, {}});
  ShardRouter shard(fleet);
  // Nothing is known of anyone: all take part.
  shard.stats(0).begin();
  shard.stats(1).begin();
  expect_part(shard.counts(1000, 2, RouteSet::first_n(2))[0], 1000, 0.5);
  shard.stats(0).whole.note(milliseconds(10), kStart);
  EXPECT_EQ(shard.sequence(20), std::string(20, 'a'));
  shard.stats(1).end();
  expect_part(shard.counts(1000, 2, RouteSet::first_n(2))[1], 1000, 0.5);
}

TEST(LowestCost, takes_the_cheapest_and_those_without_a_price_last) {
  const Fleet fleet(StrategyKind::kLowestCost, {{},
                                                {.price = config::Price{3, 5}},
                                                {.weight = 1, .price = config::Price{1, 2}},
                                                {.weight = 3, .price = config::Price{2, 1}},
                                                {}});
  ShardRouter shard(fleet);
  const std::vector<int> counts = shard.counts(40'000, 5, RouteSet::first_n(5));
  expect_part(counts[2], 40'000, 1 / 4.0);
  expect_part(counts[3], 40'000, 3 / 4.0);
  EXPECT_EQ(counts[2] + counts[3], 40'000);
  EXPECT_EQ(shard.counts(100, 5, set_of({0, 1, 4}))[1], 100);
  expect_part(shard.counts(1000, 5, set_of({0, 4}))[0], 1000, 0.5);
}

TEST(LowestUsage, takes_the_fewest_tokens_of_the_last_minute) {
  const Fleet fleet(StrategyKind::kLowestUsage, {{}, {}, {.weight = 10}});
  ShardRouter shard(fleet);
  shard.stats(0).note_tokens(100, kStart);
  shard.stats(1).note_tokens(300, kStart);
  shard.stats(2).note_tokens(900, kStart);
  EXPECT_EQ(shard.sequence(1, set_of({0, 1})), "a");
  shard.stats(0).hear({.minute_tokens = 250}, kStart);
  EXPECT_EQ(shard.sequence(1, set_of({0, 1})), "b");
  EXPECT_EQ(shard.sequence(1), "c");
  const std::vector<int> later = shard.counts(1000, 3, set_of({1}), {.now = kStart + seconds(120)});
  EXPECT_EQ(later[1], 1000);
}

// Goal: tokens are known only at the end, and still a burst is spread.
TEST(LowestUsage, counts_what_is_in_flight_as_the_mean) {
  const Fleet fleet(StrategyKind::kLowestUsage, {{}, {}});
  ShardRouter shard(fleet);
  shard.stats(0).note_tokens(1000, kStart);
  shard.stats(1).note_tokens(1000, kStart);
  shard.stats(1).note_tokens(1000, kStart);
  std::string picks;
  for (int i = 0; i < 11; ++i) {
    const uint32_t picked = shard.pick(RouteSet::first_n(2));
    shard.stats(picked).begin();
    picks += static_cast<char>('a' + picked);
  }
  EXPECT_EQ(picks[0], 'a');
  EXPECT_EQ(std::ranges::count(picks, 'a'), 6);
}

TEST(Failover, takes_the_first_in_the_file_that_is_usable) {
  const Fleet fleet(StrategyKind::kFailover, {{}, {.weight = 9}, {}});
  ShardRouter shard(fleet);
  EXPECT_EQ(shard.sequence(3), "aaa");
  EXPECT_EQ(shard.sequence(3, set_of({1, 2})), "bbb");
  EXPECT_EQ(shard.sequence(3, set_of({2})), "ccc");
}

TEST(SlowStart, the_share_grows_from_a_tenth_to_the_whole) {
  DeploymentStats stats;
  const Candidate candidate{.weight = 3, .slow_start = seconds(100), .stats = &stats};
  EXPECT_EQ(share(candidate, kStart), 300u);  // It has never rested.
  stats.returned_at = kStart;
  EXPECT_EQ(share(candidate, kStart), 30u);
  EXPECT_EQ(share(candidate, kStart - seconds(1)), 30u);
  EXPECT_EQ(share(candidate, kStart + seconds(50)), 165u);
  EXPECT_EQ(share(candidate, kStart + seconds(100)), 300u);
  EXPECT_EQ(share(candidate, kStart + seconds(9999)), 300u);
  const Candidate at_once{.weight = 3, .stats = &stats};
  EXPECT_EQ(share(at_once, kStart), 300u);
}

// Goal: a returned deployment gets a part that grows, whatever the strategy that knows shares.
TEST(SlowStart, a_returned_one_begins_with_little) {
  const std::vector<Shape> shapes = {{.slow_start = seconds(90)}, {}};
  for (const StrategyKind kind : {StrategyKind::kWeighted, StrategyKind::kRandom,
                                  StrategyKind::kLowestCost, StrategyKind::kLowestLatency}) {
    const Fleet fleet(kind, shapes);
    ShardRouter shard(fleet);
    shard.stats(0).returned_at = kStart;
    const RouteSet all = RouteSet::first_n(2);
    expect_part(shard.counts(11'000, 2, all)[0], 11'000, 1 / 11.0);
    expect_part(shard.counts(15'000, 2, all, {.now = kStart + seconds(40)})[0], 15'000, 1 / 3.0);
    expect_part(shard.counts(10'000, 2, all, {.now = kStart + seconds(90)})[0], 10'000, 0.5);
  }
  for (const StrategyKind kind :
       {StrategyKind::kLeastBusy, StrategyKind::kPowerOfTwo, StrategyKind::kLowestUsage}) {
    const Fleet fleet(kind, shapes);
    ShardRouter shard(fleet);
    shard.stats(0).returned_at = kStart;
    for (int i = 0; i < 110; ++i) shard.stats(shard.pick(RouteSet::first_n(2))).begin();
    EXPECT_NEAR(shard.stats(0).in_flight(), 10, 1);
  }
}

}  // namespace
}  // namespace sluice::route
