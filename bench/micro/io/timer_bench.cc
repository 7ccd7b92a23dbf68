// What does a deadline cost among those of 10,000 connections? Bound: 20 ns to set or move one, as
// each receive and send does, and 50 ns for the wheel's share of a turn.
#include <sluice/io/timer.h>

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

namespace sluice::io {
namespace {

constexpr uint32_t kTimers = 10'000;

struct World {
  ReadyQueue ready;
  MonoTime now{std::chrono::seconds(1000)};
  TimerWheel wheel{now};
  std::vector<std::unique_ptr<Timer>> timers;

  World() {
    for (uint32_t i = 0; i < kTimers; ++i) {
      timers.push_back(std::make_unique<Timer>(ready, wheel));
      timers.back()->set({now + delay_of(i)});
    }
  }
  // 10 ms to 100 s, over three levels of the wheel.
  static Duration delay_of(uint32_t i) {
    return std::chrono::milliseconds(10 + (uint64_t{i} * 7919) % 100'000);
  }
};

// The common case: the place in the wheel stays.
void move_later(benchmark::State& state) {
  World world;
  uint32_t next = 0;
  Duration delay = std::chrono::seconds(200);
  for (auto _ : state) {
    delay += Duration(1);
    world.timers[next]->set({world.now + delay});
    next = next + 1 == kTimers ? 0 : next + 1;
  }
}
BENCHMARK(move_later);

void disarm_and_set(benchmark::State& state) {
  World world;
  uint32_t next = 0;
  for (auto _ : state) {
    Timer& timer = *world.timers[next];
    timer.clear();
    timer.set({world.now + World::delay_of(next)});
    next = next + 1 == kTimers ? 0 : next + 1;
  }
}
BENCHMARK(disarm_and_set);

// Turns of 1 ms for as long as timers expire, one in ten turns.
void advance_by_a_turn(benchmark::State& state) {
  World world;
  for (auto _ : state) {
    world.now += std::chrono::milliseconds(1);
    world.wheel.advance(world.now);
    benchmark::DoNotOptimize(world.wheel.next_wake());
  }
  int64_t expired = 0;
  for (const auto& timer : world.timers) expired += timer->is_ready();
  if (expired == 0) state.SkipWithError("none expired");
}
BENCHMARK(advance_by_a_turn)->Iterations(100'000);

}  // namespace
}  // namespace sluice::io

BENCHMARK_MAIN();
