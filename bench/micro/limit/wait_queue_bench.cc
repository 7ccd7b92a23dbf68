// What does it cost to get in line, and to be chosen? Bound: 100 ns for both with four tenants.
#include <sluice/limit/wait_queue.h>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace sluice::limit {
namespace {

std::vector<std::unique_ptr<Waiting>> fill(WaitQueue& queue, uint32_t tenants, uint32_t requests) {
  std::vector<std::unique_ptr<Waiting>> all;
  for (uint32_t i = 0; i < requests; ++i) {
    Waiting& made = *all.emplace_back(std::make_unique<Waiting>());
    made.tenant = TenantId{i % tenants};
    made.weight = 1 + made.tenant.value % 4;
    made.tokens = 100 + i % 900;
    queue.add(made);
  }
  return all;
}

// Arguments: tenants that wait, requests that wait.
void take_next_and_add(benchmark::State& state) {
  WaitQueue queue;
  const auto all =
      fill(queue, static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(1)));
  for (auto _ : state) queue.add(*queue.take_next());
}
BENCHMARK(take_next_and_add)
    ->ArgNames({"tenants", "requests"})
    ->Args({1, 100})
    ->Args({4, 1'000})
    ->Args({100, 1'000});

// The only one that can use the place stands behind all others.
void pass_over_all_others(benchmark::State& state) {
  WaitQueue queue;
  const auto all = fill(queue, 4, static_cast<uint32_t>(state.range(0)));
  all.back()->tokens = 1;
  const auto can_use = [](const Waiting& one) { return one.tokens == 1; };
  for (auto _ : state) queue.add(*queue.take_next(can_use));
}
BENCHMARK(pass_over_all_others)->ArgName("requests")->Arg(100)->Arg(1'000);

}  // namespace
}  // namespace sluice::limit
