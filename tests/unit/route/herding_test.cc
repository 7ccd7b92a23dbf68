#include "herding.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace sluice::route {
namespace {

using config::StrategyKind;

// Short requests at a high rate, where an interval between merges matters most: 200 requests begin
// within one, while 400 are in flight.
Herding setting(StrategyKind strategy, uint32_t shards, Duration merge_every) {
  return {.strategy = strategy,
          .shards = shards,
          .merge_every = merge_every,
          .requests_per_second = 2000,
          .lasts = milliseconds(200),
          .first_token = milliseconds(50),
          .length = seconds(20)};
}

struct Bound {
  StrategyKind strategy;
  uint32_t shards;
  double stale;  // The worst ratio with 100 ms between merges.
  double fresh;
};

// Goal: with merges of 100 ms ago no server gets much more than its part at any moment.
TEST(Herding, stale_merges_do_not_send_all_shards_to_one_server) {
  constexpr std::array kBounds = {Bound{StrategyKind::kLeastBusy, 2, 1.15, 1.1},
                                  Bound{StrategyKind::kLeastBusy, 8, 1.25, 1.1},
                                  Bound{StrategyKind::kPowerOfTwo, 2, 1.25, 1.2},
                                  Bound{StrategyKind::kPowerOfTwo, 8, 1.35, 1.2}};
  for (const Bound& bound : kBounds) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE("strategy " + std::to_string(static_cast<int>(bound.strategy)) + ", shards " +
                   std::to_string(bound.shards) + ", seed " + std::to_string(seed));
      Herding stale = setting(bound.strategy, bound.shards, milliseconds(100));
      stale.seed = seed;
      Herding fresh = stale;
      fresh.merge_every = Duration{0};
      EXPECT_LE(HerdingSimulation(stale).run().worst, bound.stale);
      EXPECT_LE(HerdingSimulation(fresh).run().worst, bound.fresh);
    }
  }
}

TEST(Herding, the_same_seed_gives_the_same_figures) {
  const Herding same = setting(StrategyKind::kPowerOfTwo, 8, milliseconds(100));
  const HerdingResult first = HerdingSimulation(same).run();
  const HerdingResult again = HerdingSimulation(same).run();
  EXPECT_EQ(first.worst, again.worst);
  EXPECT_EQ(first.mean, again.mean);
  Herding other = same;
  other.seed = 2;
  EXPECT_NE(HerdingSimulation(other).run().mean, first.mean);
}

}  // namespace
}  // namespace sluice::route
