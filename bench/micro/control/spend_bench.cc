// What does the spend of one exchange cost? Bound: 60 ns for each push on the shard, 2 us for
// booking and encoding on the control thread, so that 100,000 exchanges a second take a quarter of
// its core.
#include <sluice/control/spend_book.h>
#include <sluice/control/spend_journal.h>

#include <benchmark/benchmark.h>

#include <string>

namespace sluice::control {
namespace {

usage::SpendRecord typical_record() {
  usage::SpendRecord record;
  record.exchange = usage::SpendRecord::make_exchange(1, 77);
  record.at = WallTime{1'763'648'700'123'456};
  record.kind = usage::SpendKind::kSettled;
  record.source = usage::SpendSource::kReported;
  record.key = "team-research";
  record.tenant = "default";
  record.model = "meta-llama/Llama-3.1-8B-Instruct";
  record.input_tokens = 812;
  record.output_tokens = 256;
  record.cost_micro_dollars = 512;
  return record;
}

void push_and_drain_spend(benchmark::State& state) {
  metrics::Counter lost;
  SpendRing ring(1024, lost);
  const usage::SpendRecord record = typical_record();
  uint32_t pushed = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ring.push(record));
    if (++pushed % 1024 == 0) {
      ring.drain(1024, [](const usage::SpendRecord& seen) { benchmark::DoNotOptimize(&seen); });
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(push_and_drain_spend);

void book_and_encode_spend(benchmark::State& state) {
  SpendBook book;
  const usage::SpendRecord record = typical_record();
  std::string bytes;
  for (auto _ : state) {
    book.add(record);
    bytes.clear();
    usage::append_spend(bytes, record);
    benchmark::DoNotOptimize(bytes.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(book_and_encode_spend);

}  // namespace
}  // namespace sluice::control

BENCHMARK_MAIN();
