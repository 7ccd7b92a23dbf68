// What does the estimate of a prompt cost? Bound: 0.3 ns per byte for bodies that are looked at
// whole, and no more than 16 KiB of work for any other: 0.1 ns per byte from 64 KiB on.
#include <benchmark/benchmark.h>

#include <string>

#include <sluice/usage/token_estimate.h>

namespace sluice::usage {
namespace {

void estimate(benchmark::State& state) {
  const std::string sentence = "The gate opens at nine, and 240 visitors wait for the keeper. ";
  std::string body;
  while (body.size() < static_cast<size_t>(state.range(0))) body += sentence;
  body.resize(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(estimate_prompt(body));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(estimate)->Arg(1024)->Arg(16 * 1024)->Arg(64 * 1024)->Arg(1024 * 1024);

void estimate_escaped(benchmark::State& state) {
  std::string body;
  while (body.size() < 16 * 1024 - 6) body += "\\u0433";
  for (auto _ : state) benchmark::DoNotOptimize(estimate_prompt(body));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(estimate_escaped);

void observe_output(benchmark::State& state) {
  OutputQuantile recent;
  uint64_t tokens = 1;
  for (auto _ : state) recent.observe(tokens = (tokens * 2'862'933'555) % 8191);
}
BENCHMARK(observe_output);

}  // namespace
}  // namespace sluice::usage
