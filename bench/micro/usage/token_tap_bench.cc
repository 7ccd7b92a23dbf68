// What does the tap cost per event of a chat stream, and per megabyte of a large JSON answer? The
// network's share of an event is about 4.5 us; the tap is to stay below a tenth of that.
#include <benchmark/benchmark.h>

#include <string>

#include <sluice/usage/token_tap.h>
#include <sluice/usage/usage_filter.h>

namespace sluice::usage {
namespace {

const std::string kEvent =
    R"(data: {"id":"chatcmpl-9aZ0","object":"chat.completion.chunk","created":1717000000,)"
    R"("model":"gpt-4o","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,)"
    R"("finish_reason":null}],"usage":null})"
    "\n\n";

void tap_one_event(benchmark::State& state) {
  json::FieldReader reader;
  TokenTap tap(reader, BodyKind::kEventStream);
  for (auto _ : state) tap.on_span(kEvent);
  benchmark::DoNotOptimize(tap.content_events());
}
BENCHMARK(tap_one_event);

void tap_one_event_in_two_spans(benchmark::State& state) {
  json::FieldReader reader;
  TokenTap tap(reader, BodyKind::kEventStream);
  const std::string_view event = kEvent;
  for (auto _ : state) {
    tap.on_span(event.substr(0, 100));
    tap.on_span(event.substr(100));
  }
  benchmark::DoNotOptimize(tap.content_events());
}
BENCHMARK(tap_one_event_in_two_spans);

void tap_json_answer(benchmark::State& state) {
  json::FieldReader reader;
  std::string body = R"({"data":[{"embedding":[)";
  while (body.size() < 1 << 20) body += "-0.0123456789,";
  for (auto _ : state) {
    TokenTap tap(reader, BodyKind::kJson);
    for (size_t at = 0; at < body.size(); at += 16 * 1024) {
      tap.on_span(std::string_view(body).substr(at, 16 * 1024));
    }
    benchmark::DoNotOptimize(tap.usage());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
}
BENCHMARK(tap_json_answer);

void filter_one_event(benchmark::State& state) {
  json::FieldReader reader;
  UsageFilter filter(reader);
  for (auto _ : state) benchmark::DoNotOptimize(filter.may_drop_within(kEvent));
}
BENCHMARK(filter_one_event);

void filter_usage_event(benchmark::State& state) {
  json::FieldReader reader;
  UsageFilter filter(reader);
  const std::string event =
      "data: {\"id\":\"chatcmpl-9aZ0\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,"
      "\"completion_tokens\":3,\"total_tokens\":10}}\n\n";
  for (auto _ : state) benchmark::DoNotOptimize(filter.keeps(event));
}
BENCHMARK(filter_usage_event);

}  // namespace
}  // namespace sluice::usage

BENCHMARK_MAIN();
