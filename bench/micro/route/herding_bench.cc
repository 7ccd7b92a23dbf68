// How unevenly do shards load equal servers when what they know of each other is up to 100 ms old?
// In simulated time, so the times that are printed mean nothing: `worst` and `mean` are the
// requests in flight at the busiest of 8 servers as multiples of the mean, the worst of three seeds
// over 60 s. Bound: 1.35 at any moment. `stale_ms` 0 is the same with perfect knowledge.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "../../../tests/unit/route/herding.h"

namespace sluice::route {
namespace {

using config::StrategyKind;

template <StrategyKind kStrategy>
void herding(benchmark::State& state) {
  double worst = 0;
  double mean = 0;
  constexpr uint64_t kSeeds = 3;
  for (auto _ : state) {
    worst = 0;
    mean = 0;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      const HerdingResult result =
          HerdingSimulation({.strategy = kStrategy,
                             .shards = static_cast<uint32_t>(state.range(0)),
                             .merge_every = milliseconds(state.range(1)),
                             .requests_per_second = static_cast<double>(state.range(2)),
                             .lasts = milliseconds(state.range(3)),
                             .seed = seed})
              .run();
      worst = std::max(worst, result.worst);
      mean += result.mean / kSeeds;
    }
  }
  state.counters["worst"] = worst;
  state.counters["mean"] = mean;
}

// Streams of a second at 20 for each server, and short requests at 50 for each.
void settings(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"shards", "stale_ms", "rps", "lasts_ms"})->Iterations(1);
  for (const int64_t shards : {2, 8}) {
    for (const int64_t stale_ms : {0, 100}) {
      bench->Args({shards, stale_ms, 160, 1000});
      bench->Args({shards, stale_ms, 2000, 200});
    }
  }
}
BENCHMARK(herding<StrategyKind::kLeastBusy>)->Apply(settings);
BENCHMARK(herding<StrategyKind::kPowerOfTwo>)->Apply(settings);

}  // namespace
}  // namespace sluice::route
