// What a hook costs a request: empty, as somebody would write it, and stopped by a limit with the
// new state that follows.
#include <array>

#include <benchmark/benchmark.h>

#include <sluice/script/hook.h>

namespace sluice::script {
namespace {

constexpr std::array<Field, 4> kHeaders = {{{"accept", "*/*"},
                                            {"content-type", "application/json"},
                                            {"user-agent", "curl/8"},
                                            {"x-feature", "beta-7"}}};

RequestView view() {
  return {.method = "POST",
          .path = "/v1/chat/completions",
          .client_address = "192.0.2.7",
          .request_id = "0123456789abcdef",
          .headers = kHeaders,
          .api_key = "sk-abcd...",
          .tenant = "acme",
          .model = "large-model",
          .metadata = R"({"tier":"gold","regions":["eu","us"],"quota":{"used":10,"total":100}})",
          .now = {1'750'000'000'000'000}};
}

void run(benchmark::State& state, const char* source) {
  SystemClock clock;
  const Hooks::Script script{HookKind::kOnRequest, "bench.lua", source};
  auto hooks = Hooks::make({&script, 1}, {}, clock);
  if (!hooks) return state.SkipWithError(hooks.error().c_str());
  const RequestView request = view();
  for (auto _ : state) {
    benchmark::DoNotOptimize((*hooks)->run(HookKind::kOnRequest, request));
  }
}

void empty(benchmark::State& state) { run(state, ""); }
BENCHMARK(empty);

void typical(benchmark::State& state) {
  run(state, R"lua(
    local version = string.match(request.headers["x-feature"] or "", "^beta%-(%d+)$")
    if request.tenant == "blocked" then
      return { allow = false, message = "ask your administrator" }
    end
    return { headers = { ["x-tenant"] = request.tenant, ["x-beta"] = version or "0" } }
  )lua");
}
BENCHMARK(typical);

void with_metadata(benchmark::State& state) {
  run(state, R"lua(
    if metadata.quota.used >= metadata.quota.total then return false end
    if metadata.tier == "gold" then return { priority = 1 } end
  )lua");
}
BENCHMARK(with_metadata);

void ten_thousand_turns(benchmark::State& state) {
  run(state, "local n = 0 for i = 1, 10000 do n = n + i % 7 end return n > 0");
}
BENCHMARK(ten_thousand_turns);

void endless_loop(benchmark::State& state) { run(state, "while true do end"); }
BENCHMARK(endless_loop);

void memory_bomb(benchmark::State& state) {
  run(state, "local t = {} for i = 1, 1e9 do t[i % 1000 * 1000 + i] = {i} end");
}
BENCHMARK(memory_bomb);

void make(benchmark::State& state) {
  SystemClock clock;
  const Hooks::Script script{HookKind::kOnRequest, "bench.lua", "return request.tenant ~= 'a'"};
  for (auto _ : state) benchmark::DoNotOptimize(Hooks::make({&script, 1}, {}, clock));
}
BENCHMARK(make);

}  // namespace
}  // namespace sluice::script
BENCHMARK_MAIN();
