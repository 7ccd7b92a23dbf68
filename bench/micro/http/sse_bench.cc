// What does following an event stream cost? Bound: 5 GB/s for events of 240 bytes.
#include <sluice/http/chunked.h>
#include <sluice/http/sse.h>

#include <benchmark/benchmark.h>

#include <array>
#include <string>

namespace sluice::http {
namespace {

std::string one_event() {
  std::string event = R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{)";
  return event + std::string(238 - event.size(), 'x') + "\n\n";
}

// Argument: events in one span, as a burst brings them.
void scan_events(benchmark::State& state) {
  std::string span;
  for (int64_t i = 0; i < state.range(0); ++i) span += one_event();
  EventScanner scanner;
  for (auto _ : state) {
    int64_t events = 0;
    size_t from = 0;
    for (size_t at = scanner.next_end(span, 0); at != EventScanner::npos;
         at = scanner.next_end(span, from)) {
      from = at;
      ++events;
    }
    if (events != state.range(0)) state.SkipWithError("an event was missed");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * span.size()));
}
BENCHMARK(scan_events)->Arg(1)->Arg(60);

void decode_chunks(benchmark::State& state) {
  std::array<char, kChunkHeadBytesMax> head;
  const std::string event = one_event();
  std::string body;
  for (int64_t i = 0; i < state.range(0); ++i) {
    body.append(write_chunk_head(head, event.size())).append(event).append(kChunkEnd);
  }
  ChunkedDecoder decoder(Side::kUpstream);
  for (auto _ : state) {
    size_t payload = 0;
    for (size_t at = 0; at < body.size();) payload += decoder.next(body, at)->size();
    benchmark::DoNotOptimize(payload);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
}
BENCHMARK(decode_chunks)->Arg(1)->Arg(60);

}  // namespace
}  // namespace sluice::http

BENCHMARK_MAIN();
