// How long does a large configuration take to load? Bound: 10,000 keys and 200 upstreams in less
// than 100 ms, so that a reload on an offload lane is over before anyone waits for it.
#include <benchmark/benchmark.h>

#include <array>
#include <string>

#include <sluice/config/difference.h>
#include <sluice/config/loader.h>
#include <sluice/config/upstream_path.h>

namespace sluice::config {
namespace {

std::string large_text(int64_t keys, int64_t upstreams, const std::string& word = "key-") {
  std::string text = "listen: 0.0.0.0:80\nupstreams:\n";
  for (int64_t i = 0; i < upstreams; ++i) {
    const std::string name = "upstream-" + std::to_string(i);
    text += "  - name: " + name + "\n    url: http://" + name + ".internal:8000/v1\n";
    text += "    credential: 0123456789abcdef\n    timeouts: {connect: 2s, idle: 1m}\n";
  }
  text += "models:\n";
  for (int64_t i = 0; i < upstreams; ++i) {
    const std::string number = std::to_string(i);
    text += "  - name: model-" + number + "\n    routes:\n";
    text += "      - {upstream: upstream-" + number + ", model: served-" + number + "}\n";
  }
  text += "keys:\n";
  for (int64_t i = 0; i < keys; ++i) {
    const std::string number = std::to_string(i);
    text += "  - name: " + word + number + "\n    secret: 0123456789abcdef-" + number + "\n";
    text += "    tenant: tenant-" + std::to_string(i % 100) + "\n";
    text += "    models: [model-" + std::to_string(i % upstreams) + "]\n";
  }
  return text;
}

void BM_load_text(benchmark::State& state) {
  const std::string text = large_text(state.range(0), state.range(1));
  const SystemEnvironment environment;
  for (auto _ : state) {
    const LoadOutcome outcome = load_text(text, "bench.yaml", environment);
    if (!outcome.snapshot) return state.SkipWithError("the text does not load");
    benchmark::DoNotOptimize(outcome.snapshot.get());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_load_text)->Args({1, 1})->Args({10'000, 200})->Unit(benchmark::kMillisecond);

// What a reload does with both texts: the new one is read once, the one in force again.
void BM_load_and_compare(benchmark::State& state) {
  const std::string before = large_text(state.range(0), state.range(1));
  const std::string after = large_text(state.range(0), state.range(1), "app-");
  const SystemEnvironment environment;
  for (auto _ : state) {
    const LoadOutcome outcome = load_text(after, "bench.yaml", environment);
    if (!outcome.snapshot) return state.SkipWithError("the text does not load");
    const auto lines = differences({before, {}}, {after, outcome.secrets, &*outcome.tree});
    benchmark::DoNotOptimize(lines.data());
  }
}
BENCHMARK(BM_load_and_compare)->Args({10'000, 200})->Unit(benchmark::kMillisecond);

void BM_upstream_path(benchmark::State& state) {
  Endpoint endpoint;
  endpoint.base_path = "/openai/v1";
  endpoint.has_version = true;
  std::array<char, 256> out;
  for (auto _ : state) {
    benchmark::DoNotOptimize(upstream_path(endpoint, "/v1/chat/completions", "", out));
  }
}
BENCHMARK(BM_upstream_path);

}  // namespace
}  // namespace sluice::config

BENCHMARK_MAIN();
