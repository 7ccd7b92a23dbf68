// What does the access log cost for each exchange? Bound: 60 ns on the shard (push), 500 ns on the
// control thread (format), so that P6 of the performance budgets is kept on a shared core.
#include <sluice/telemetry/access_format.h>
#include <sluice/telemetry/record_ring.h>
#include <sluice/telemetry/redactor.h>

#include <benchmark/benchmark.h>

#include <string>

namespace sluice::telemetry {
namespace {

AccessRecord typical_record() {
  AccessRecord record;
  record.at = WallTime{1'763'648'700'123'456};
  record.request_id = "req_0123456789abcdef0123456789abcdef";
  record.key = "team-research";
  record.tenant = "default";
  record.model = "meta-llama/Llama-3.1-8B-Instruct";
  record.upstream = "gpu-rack-7";
  record.endpoint = metrics::Endpoint::kChatCompletions;
  record.status = 200;
  record.attempts = 1;
  record.bytes_in = 1'034;
  record.bytes_out = 12'345;
  record.usage_source = metrics::UsageSource::kReported;
  record.input_tokens = 812;
  record.output_tokens = 256;
  record.cost_micro_dollars = 512;
  record.ttft_us = 80'123;
  record.duration_us = 2'100'456;
  record.overhead_us = 42;
  return record;
}

void push_and_drain(benchmark::State& state) {
  metrics::Counter dropped;
  RecordRing ring(1024, dropped);
  AccessRecord record = typical_record();
  uint32_t pushed = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(record);
    ring.push(record);
    if (++pushed % 512 != 0) continue;
    ring.drain(1024, [](const AccessRecord& drained) { benchmark::DoNotOptimize(&drained); });
    benchmark::ClobberMemory();
  }
}
BENCHMARK(push_and_drain);

void format_line(benchmark::State& state) {
  const AccessRecord record = typical_record();
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_access_line(record, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(format_line);

// On the log's lane, for one line; the argument is the number of configured patterns.
void redact_line(benchmark::State& state) {
  std::string line;
  append_access_line(typical_record(), line);
  Redactor redactor;
  std::vector<std::string> patterns;
  for (int64_t i = 0; i < state.range(0); ++i) {
    patterns.push_back("badge" + std::to_string(i) + "[ :]+([a-z0-9]+)");
  }
  redactor.set_patterns(patterns);
  for (auto _ : state) {
    redactor.redact_json(line);
    benchmark::DoNotOptimize(line.data());
  }
  state.counters["bytes"] = static_cast<double>(line.size());
}
BENCHMARK(redact_line)->Arg(0)->Arg(8)->Arg(64);

}  // namespace
}  // namespace sluice::telemetry

BENCHMARK_MAIN();
