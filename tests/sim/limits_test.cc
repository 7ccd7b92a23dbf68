// Limits of several gateways hold in every interval, whatever happens. SLUICE_SIM_SEED=N replays
// one seed, SLUICE_SIM_SEEDS=N plays that many.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway_fleet.h"

namespace sluice::sim {
namespace {

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Limits, d035_hold_in_every_interval_over_all_gateways) {
  const uint64_t only = number_from("SLUICE_SIM_SEED", 0);
  const uint64_t last = only != 0 ? only : number_from("SLUICE_SIM_SEEDS", 300);
  std::vector<double> undershoots;
  int64_t admitted = 0;
  int64_t refused = 0;
  for (uint64_t seed = only != 0 ? only : number_from("SLUICE_SIM_SEED_FROM", 1); seed <= last;
       ++seed) {
    GatewayFleet fleet(FleetPlan::of_seed(seed));
    const FleetResult result = fleet.run();
    ASSERT_EQ(result.violation, "") << "replay with SLUICE_SIM_SEED=" << seed;
    admitted += result.admitted;
    refused += result.refused;
    undershoots.insert(undershoots.end(), result.undershoots.begin(), result.undershoots.end());
  }
  EXPECT_GT(admitted, 0);
  EXPECT_GT(refused, 0);
  std::printf("admitted %lld, refused %lld\n", static_cast<long long>(admitted),
              static_cast<long long>(refused));
  if (undershoots.empty()) return;
  std::ranges::sort(undershoots);
  const auto at = [&](double part) {
    return 100 *
           undershoots[static_cast<size_t>(part * static_cast<double>(undershoots.size() - 1))];
  };
  std::printf(
      "undershoot at the first refusal of %zu windows: p50 %.2f %%, p99 %.2f %%, max %.2f %%\n",
      undershoots.size(), at(0.5), at(0.99), at(1));
}

}  // namespace
}  // namespace sluice::sim
