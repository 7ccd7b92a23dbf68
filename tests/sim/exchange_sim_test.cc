// Whole exchanges in random worlds. SLUICE_SIM_SEED=N replays one seed, SLUICE_SIM_SEEDS=N plays
// that many; the first failing seed ends the test and is named.
#include <gtest/gtest.h>

#include <cstdlib>

#include "scene.h"

namespace sluice::sim {
namespace {

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Played {
  size_t answered = 0;
  size_t broken = 0;
};

Played play_seeds(Weather weather, uint64_t seeds, bool is_secured = false) {
  const uint64_t only = number_from("SLUICE_SIM_SEED", 0);
  const uint64_t first = only != 0 ? only : 1;
  const uint64_t last = only != 0 ? only : number_from("SLUICE_SIM_SEEDS", seeds);
  Played played;
  for (uint64_t seed = first; seed <= last; ++seed) {
    {
      Scene scene(seed, weather, is_secured);
      scene.play();
      played.answered += scene.answered();
      played.broken += scene.broken();
    }
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << "replay with SLUICE_SIM_SEED=" << seed;
      return played;
    }
  }
  return played;
}

TEST(ExchangeSim, rough_worlds_answer_every_request_whole_and_in_order) {
  const Played played = play_seeds(Weather::kRough, 1600);
  EXPECT_GT(played.answered, 0u);
  EXPECT_EQ(played.broken, 0u);
}

TEST(ExchangeSim, d103_d109_d124_hostile_worlds_mix_nothing_up_and_leave_nothing_behind) {
  const Played played = play_seeds(Weather::kHostile, 2500);
  EXPECT_GT(played.answered, 0u);
  if (number_from("SLUICE_SIM_SEED", 0) != 0) return;
  EXPECT_GT(played.broken, 0u);  // Else no fault struck.
}

// The same worlds with TLS on both sides of the gateway, whose peers speak it by another library.
TEST(ExchangeSim, secured_rough_worlds_answer_every_request_whole_and_in_order) {
  const Played played = play_seeds(Weather::kRough, 150, true);
  EXPECT_GT(played.answered, 0u);
  EXPECT_EQ(played.broken, 0u);
}

TEST(ExchangeSim, secured_hostile_worlds_mix_nothing_up_and_leave_nothing_behind) {
  const Played played = play_seeds(Weather::kHostile, 250, true);
  EXPECT_GT(played.answered, 0u);
}

TEST(ExchangeSim, the_same_seed_plays_the_same) {
  uint64_t traces[2];
  for (uint64_t& trace : traces) {
    Scene scene(11, Weather::kHostile);
    scene.play();
    trace = scene.trace_hash();
  }
  EXPECT_EQ(traces[0], traces[1]);
}

}  // namespace
}  // namespace sluice::sim
