#include <sluice/route/weighted.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace sluice::route {
namespace {

std::string sequence(std::vector<Candidate>& candidates, uint64_t eligible, int length) {
  std::string picks;
  for (int i = 0; i < length; ++i) {
    picks += static_cast<char>('a' + WeightedStrategy().choose(candidates, eligible));
  }
  return picks;
}

TEST(WeightedStrategy, equal_weights_take_turns) {
  std::vector<Candidate> candidates(3);
  EXPECT_EQ(sequence(candidates, 0b111, 7), "abcabca");
}

TEST(WeightedStrategy, spreads_a_heavy_candidate_evenly) {
  std::vector<Candidate> candidates = {{.weight = 5}, {.weight = 1}, {.weight = 1}};
  EXPECT_EQ(sequence(candidates, 0b111, 7), "aabacaa");
}

TEST(WeightedStrategy, chooses_eligible_candidates_only) {
  std::vector<Candidate> candidates(64);
  EXPECT_EQ(sequence(candidates, 0b1010, 4), "bdbd");
  EXPECT_EQ(WeightedStrategy().choose(candidates, uint64_t{1} << 63), 63u);
}

// Goal: no counter exists that could wrap. After each cycle every position is back at zero, so the
// state after 2^64 - 2 choices is one that the first cycle has shown.
TEST(WeightedStrategy, d089_positions_repeat_after_each_cycle) {
  std::vector<Candidate> candidates = {{.weight = 1000}, {.weight = 333}, {.weight = 7}};
  std::string first_cycle = sequence(candidates, 0b111, 1340);
  for (const Candidate& candidate : candidates) EXPECT_EQ(candidate.position, 0);
  EXPECT_EQ(sequence(candidates, 0b111, 1340), first_cycle);
}

// Goal: the largest weights that config takes (1000 * 1000, 64 routes) stay far from overflow.
TEST(WeightedStrategy, d089_positions_stay_within_the_sum_of_the_weights) {
  std::vector<Candidate> candidates(64, {.weight = 1'000'000});
  candidates[5].weight = 1;
  for (int i = 0; i < 100'000; ++i) {
    static_cast<void>(WeightedStrategy().choose(candidates, ~uint64_t{0}));
    for (const Candidate& candidate : candidates) {
      ASSERT_LE(std::abs(candidate.position), 64'000'000);
    }
  }
}

}  // namespace
}  // namespace sluice::route
