// What does choosing one deployment of many cost? Bounds among as many routes as a file may give a
// model (64), so that P6 of the performance budgets is kept: 100 ns for the power of two, which is
// the default; 150 ns for what looks at weights or prices, 500 ns at each deployment's stats; 1 us
// for affinity, which draws a logarithm for each. Only discovery makes a model of 200.
#include <sluice/route/router.h>

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include <sluice/route/affinity_key.h>

#include "../../../tests/unit/route/fleet.h"

namespace sluice::route {
namespace {

using config::StrategyKind;

std::vector<Shape> shapes(int64_t routes) {
  std::vector<Shape> all(static_cast<size_t>(routes));
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].weight = static_cast<uint32_t>(1 + i % 4);
    all[i].price = config::Price{1, static_cast<double>(1 + i % 3)};
  }
  return all;
}

// A shard that has heard of the others and has measured all deployments.
void fill(ShardRouter& shard, int64_t routes) {
  for (uint32_t i = 0; i < routes; ++i) {
    DeploymentStats& stats = shard.stats(i);
    for (uint32_t n = 0; n < i % 5; ++n) stats.begin();
    stats.first_token.note(milliseconds(50 + i), kStart);
    stats.note_tokens(100 + i, kStart);
    stats.hear({.in_flight = 3 + i % 7, .first_token = milliseconds(60), .minute_tokens = 500},
               kStart);
  }
}

template <StrategyKind kStrategy>
void pick(benchmark::State& state) {
  const Fleet fleet(kStrategy, shapes(state.range(0)));
  ShardRouter shard(fleet);
  fill(shard, state.range(0));
  const RouteSet usable = RouteSet::first_n(static_cast<uint32_t>(state.range(0)));
  Choice choice{.now = kStart, .affinity_key = 1, .is_stream = true};
  for (auto _ : state) {
    choice.affinity_key += 0x9e3779b97f4a7c15;
    benchmark::DoNotOptimize(shard.pick(usable, choice));
  }
}

#define SLUICE_PICK(strategy) \
  BENCHMARK(pick<StrategyKind::strategy>)->ArgName("routes")->Arg(2)->Arg(20)->Arg(64)->Arg(200)
SLUICE_PICK(kPowerOfTwo);
SLUICE_PICK(kRoundRobin);
SLUICE_PICK(kWeighted);
SLUICE_PICK(kRandom);
SLUICE_PICK(kLeastBusy);
SLUICE_PICK(kLowestLatency);
SLUICE_PICK(kLowestCost);
SLUICE_PICK(kLowestUsage);
SLUICE_PICK(kAffinity);
SLUICE_PICK(kFailover);

// Hashing the beginning of a prompt.
void affinity_key_of_prompt(benchmark::State& state) {
  const std::string prompt(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(affinity_key({}, {}, {}, prompt));
}
BENCHMARK(affinity_key_of_prompt)->ArgName("bytes")->Arg(16)->Arg(1024);

void routes_for_tags(benchmark::State& state) {
  Fleet fleet(StrategyKind::kRandom, shapes(state.range(0)));
  for (size_t i = 0; i < fleet.upstreams.size(); i += 2) fleet.upstreams[i].tags = {"eu", "fast"};
  ShardRouter shard(fleet);
  for (auto _ : state) benchmark::DoNotOptimize(shard.router.routes_for_tags(kModel, "fast, eu"));
}
BENCHMARK(routes_for_tags)->ArgName("routes")->Arg(2)->Arg(64);

// What an answer leaves behind.
void note_latency(benchmark::State& state) {
  DeploymentStats stats;
  MonoTime now = kStart;
  for (auto _ : state) {
    now += milliseconds(1);
    stats.first_token.note(milliseconds(50), now);
    stats.note_tokens(100, now);
    benchmark::DoNotOptimize(stats);
  }
}
BENCHMARK(note_latency);

}  // namespace
}  // namespace sluice::route

BENCHMARK_MAIN();
