// How many records of use does the usage log's file take? Bound: 20,000 a second in batches as
// UsageLog makes them, so that a gateway at 10,000 requests a second stays ahead by far.
#include <stdlib.h>

#include <benchmark/benchmark.h>

#include <filesystem>

#include <sluice/control/usage_log.h>

#include "usage_file.h"  // tidy: allow(private-header) the log has no other way in without a ring

namespace sluice::control {
namespace {

std::vector<std::string> batch_from(uint64_t first) {
  usage::SpendRecord record;
  record.run = 0x9f86'd081'884c'7d65;
  record.kind = usage::SpendKind::kSettled;
  record.source = usage::SpendSource::kReported;
  record.endpoint = metrics::Endpoint::kChatCompletions;
  record.status = 200;
  record.is_stream = true;
  record.request_id = "req_5f4dcc3b5aa765d61d8327deb882cf99";
  record.key = "key_0123456789abcdef01234567";
  record.tenant = "team_0123456789abcdef01234567";
  record.organisation = "org_0123456789abcdef01234567";
  record.team = "team_0123456789abcdef01234567";
  record.user = "user_0123456789abcdef01234567";
  record.model = "meta-llama/Llama-3.1-8B-Instruct";
  record.upstream = "gpu-east-1";
  record.input_tokens = 812;
  record.output_tokens = 256;
  record.cost_micro_dollars = 512;
  record.duration_us = 1'250'000;
  record.ttft_us = 80'000;
  std::vector<std::string> batch(UsageLog::kBatchMost);
  for (size_t i = 0; i < batch.size(); ++i) {
    // Two shards in turn.
    record.exchange = usage::SpendRecord::make_exchange(i % 2, (first + i) / 2);
    record.at = WallTime{1'795'737'600'000'000 + static_cast<int64_t>(first + i) * 100};
    record.began = WallTime{record.at.unix_us - 1'250'000};
    usage::append_spend(batch[i], record);
  }
  return batch;
}

void add_usage_records(benchmark::State& state) {
  std::string pattern = (std::filesystem::temp_directory_path() / "sluice-bench-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  auto file = UsageFile::open((folder / "usage.db").string());
  uint64_t count = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const std::vector<std::string> batch = batch_from(count);
    state.ResumeTiming();
    const auto added = (*file)->add(batch);
    if (!added || *added != batch.size()) state.SkipWithError("not added");
    count += batch.size();
  }
  state.SetItemsProcessed(static_cast<int64_t>(count));
  state.counters["bytes_each"] =
      static_cast<double>(*(*file)->bytes()) / static_cast<double>(count);
  file->reset();
  std::filesystem::remove_all(folder);
}
BENCHMARK(add_usage_records)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::control
