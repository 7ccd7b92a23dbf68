// What does the tap cost per event of a chat stream, and per megabyte of a large JSON answer?
// Bound: 40 ns for a typical event of 240 bytes that brings no usage, whether or not it says so
// with a null; the network's share of an event is about 4.5 us.
#include <benchmark/benchmark.h>

#include <string>

#include <sluice/base/byte_budget.h>
#include <sluice/io/block_pool.h>
#include <sluice/usage/token_tap.h>
#include <sluice/usage/usage_filter.h>

namespace sluice::usage {
namespace {

// An event of 240 bytes as OpenAI's servers send it; `behind` ends its object.
std::string event_ending_in(const std::string& behind) {
  std::string front =
      R"(data: {"id":"chatcmpl-9aZ0","object":"chat.completion.chunk","created":1717000000,)"
      R"("model":"gpt-4o","system_fingerprint":")";
  const std::string choices =
      R"(","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,)"
      R"("finish_reason":null}])";
  return front.append(238 - front.size() - choices.size() - behind.size(), 'f') + choices + behind +
         "\n\n";
}

const std::string kEvent = event_ending_in("}");
const std::string kEventWithNull = event_ending_in(R"(,"usage":null})");

// As the gateway lends it, from the shard's pool.
class PoolRoom final : public CarryRoom {
 public:
  explicit PoolRoom(io::BlockPool& blocks) : blocks_(blocks) {}
  [[nodiscard]] char* take(size_t bytes) noexcept override {
    block_ = blocks_.take(bytes);
    return block_.data();
  }
  void give_back() noexcept override { block_.release(); }

 private:
  io::BlockPool& blocks_;
  io::Block block_;
};

// A tap with all that it borrows.
struct Shard {
  ByteBudget budget{1 << 20};
  io::BlockPool blocks{budget};
  json::FieldReader reader;
  PoolRoom event_room{blocks};
  PoolRoom object_room{blocks};

  TokenTap tap_of(BodyKind kind) { return {reader, kind, event_room, object_room}; }
};

void tap_events(benchmark::State& state, const std::string& event) {
  Shard shard;
  TokenTap tap = shard.tap_of(BodyKind::kEventStream);
  for (auto _ : state) tap.on_span(event);
  if (tap.content_events() == 0) state.SkipWithError("not counted");
}
BENCHMARK_CAPTURE(tap_events, plain, kEvent);
BENCHMARK_CAPTURE(tap_events, usage_null, kEventWithNull);

// 50 events in one span, as a burst brings them; the time is of all.
void tap_burst(benchmark::State& state) {
  Shard shard;
  TokenTap tap = shard.tap_of(BodyKind::kEventStream);
  std::string span;
  for (int i = 0; i < 50; ++i) span += kEventWithNull;
  for (auto _ : state) tap.on_span(span);
  if (tap.content_events() == 0) state.SkipWithError("not counted");
}
BENCHMARK(tap_burst);

void tap_one_event_in_two_spans(benchmark::State& state) {
  Shard shard;
  TokenTap tap = shard.tap_of(BodyKind::kEventStream);
  const std::string_view event = kEventWithNull;
  for (auto _ : state) {
    tap.on_span(event.substr(0, 100));
    tap.on_span(event.substr(100));
  }
  if (tap.content_events() == 0) state.SkipWithError("not counted");
}
BENCHMARK(tap_one_event_in_two_spans);

void tap_json_answer(benchmark::State& state) {
  Shard shard;
  std::string body = R"({"data":[{"embedding":[)";
  while (body.size() < 1 << 20) body += "-0.0123456789,";
  for (auto _ : state) {
    TokenTap tap = shard.tap_of(BodyKind::kJson);
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
  PlainEvents nothing_learned;
  UsageFilter filter(reader, nothing_learned);
  for (auto _ : state) benchmark::DoNotOptimize(filter.look_at(kEventWithNull));
}
BENCHMARK(filter_one_event);

void filter_usage_event(benchmark::State& state) {
  json::FieldReader reader;
  PlainEvents nothing_learned;
  UsageFilter filter(reader, nothing_learned);
  const std::string event =
      "data: {\"id\":\"chatcmpl-9aZ0\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,"
      "\"completion_tokens\":3,\"total_tokens\":10}}\n\n";
  for (auto _ : state) benchmark::DoNotOptimize(filter.keeps(event));
}
BENCHMARK(filter_usage_event);

}  // namespace
}  // namespace sluice::usage

BENCHMARK_MAIN();
