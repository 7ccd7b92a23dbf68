// What does a place cost, taken and given back? Bound: 50 ns with 16 shards and nobody waiting.
#include <sluice/base/place_bank.h>

#include <benchmark/benchmark.h>

#include <cstdint>

namespace sluice {
namespace {

// One thread, so the passing of the count between cores is not in it. Argument: shards that may
// wait.
void take_and_give_back(benchmark::State& state) {
  PlaceBank bank(static_cast<uint32_t>(state.range(0)));
  bank.set_most(1'000);
  for (auto _ : state) {
    if (!bank.try_take()) return state.SkipWithError("full");
    benchmark::DoNotOptimize(bank.give_back());
  }
}
BENCHMARK(take_and_give_back)->ArgName("shards")->Arg(1)->Arg(16)->Arg(256);

// A shard waits: the place is handed to it and taken by it.
void hand_over(benchmark::State& state) {
  PlaceBank bank(static_cast<uint32_t>(state.range(0)));
  bank.set_most(1);
  bank.publish_wait(ShardId{0}, MonoTime(seconds(1)));
  if (!bank.try_take()) return state.SkipWithError("full");
  for (auto _ : state) {
    benchmark::DoNotOptimize(bank.give_back());
    if (!bank.take_handed(ShardId{0})) return state.SkipWithError("not handed over");
  }
}
BENCHMARK(hand_over)->ArgName("shards")->Arg(1)->Arg(16);

// Threads that all want the same count.
void contend(benchmark::State& state) {
  static PlaceBank bank(16);
  bank.set_most(1'000);
  for (auto _ : state) {
    if (bank.try_take()) benchmark::DoNotOptimize(bank.give_back());
  }
}
BENCHMARK(contend)->Threads(2)->UseRealTime();

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
