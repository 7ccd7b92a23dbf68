// What does choosing one deployment of many cost? Bound: 100 ns among as many as a model may have,
// so that P6 of the performance budgets is kept. Weighted round robin is the one strategy there is.
#include <sluice/route/router.h>

#include <benchmark/benchmark.h>

#include <vector>

namespace sluice::route {
namespace {

// One model whose route i goes to upstream i, with weights of 1 to 4.
struct Config {
  std::vector<config::Model> models;
  std::vector<config::Upstream> upstreams;

  explicit Config(uint32_t routes) : models(1), upstreams(routes) {
    for (uint32_t i = 0; i < routes; ++i) {
      config::Route& route = models[0].routes.emplace_back();
      route.upstream = UpstreamId{i};
      route.weight = 1 + i % 4;
    }
  }
};

void pick_weighted(benchmark::State& state) {
  const Config config(static_cast<uint32_t>(state.range(0)));
  Router router(ShardId{0}, config.models, config.upstreams);
  for (auto _ : state) {
    auto pick = router.pick(ModelId{0}, {});
    if (!pick) return state.SkipWithError("no route");
    benchmark::DoNotOptimize(pick);
  }
}
BENCHMARK(pick_weighted)->ArgName("routes")->Arg(1)->Arg(2)->Arg(20)->Arg(kRoutesMax);

// The second attempt, when the first choice failed.
void pick_again(benchmark::State& state) {
  const Config config(static_cast<uint32_t>(state.range(0)));
  Router router(ShardId{0}, config.models, config.upstreams);
  for (auto _ : state) {
    Tried tried;
    tried.mark(router.pick(ModelId{0}, tried)->index);
    auto pick = router.pick(ModelId{0}, tried);
    if (!pick) return state.SkipWithError("no route");
    benchmark::DoNotOptimize(pick);
  }
}
BENCHMARK(pick_again)->ArgName("routes")->Arg(2)->Arg(20)->Arg(kRoutesMax);

}  // namespace
}  // namespace sluice::route

BENCHMARK_MAIN();
