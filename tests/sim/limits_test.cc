// Limits of several gateways hold in every interval, whatever happens. SLUICE_SIM_SEED=N replays
// one seed, SLUICE_SIM_SEEDS=N plays that many.
#include <algorithm>
#include <array>
#include <cstdio>
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

void print_undershoots(const char* which, std::vector<double> found) {
  if (found.empty()) return;
  std::ranges::sort(found);
  const auto at = [&](double part) {
    return 100 * found[static_cast<size_t>(part * static_cast<double>(found.size() - 1))];
  };
  std::printf(
      "limits %s: undershoot at the first refusal of %zu windows: p50 %.2f %%, p99 %.2f %%, max "
      "%.2f %%\n",
      which, found.size(), at(0.5), at(0.99), at(1));
}

TEST(Limits, d035_hold_in_every_interval_over_all_gateways) {
  const uint64_t only = number_from("SLUICE_SIM_SEED", 0);
  const uint64_t last = only != 0 ? only : number_from("SLUICE_SIM_SEEDS", 300);
  std::array<std::vector<double>, 2> undershoots;  // Of limits below 100, and the others.
  int64_t admitted = 0;
  int64_t refused = 0;
  int64_t upgrades = 0;
  for (uint64_t seed = only != 0 ? only : number_from("SLUICE_SIM_SEED_FROM", 1); seed <= last;
       ++seed) {
    const FleetPlan plan = FleetPlan::of_seed(seed);
    GatewayFleet fleet(plan);
    const FleetResult result = fleet.run();
    ASSERT_EQ(result.violation, "") << "replay with SLUICE_SIM_SEED=" << seed;
    admitted += result.admitted;
    refused += result.refused;
    upgrades += result.upgrades;
    const size_t large = plan.rule.most >= 100 ? 1 : 0;
    undershoots[large].insert(undershoots[large].end(), result.undershoots.begin(),
                              result.undershoots.end());
  }
  EXPECT_GT(admitted, 0);
  EXPECT_GT(refused, 0);
  std::printf("admitted %lld, refused %lld, upgrades %lld\n", static_cast<long long>(admitted),
              static_cast<long long>(refused), static_cast<long long>(upgrades));
  print_undershoots("below 100", undershoots[0]);
  print_undershoots("of 100 and more", undershoots[1]);
}

}  // namespace
}  // namespace sluice::sim
