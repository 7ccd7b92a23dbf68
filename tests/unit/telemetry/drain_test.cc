#include <sluice/telemetry/drain.h>

#include <gtest/gtest.h>

#include <algorithm>

#include "scratch_folder.h"

namespace sluice::telemetry {
namespace {

TEST(DrainAccessRecords, writes_one_line_for_each_record_in_bounded_batches) {
  const ScratchFolder folder;
  metrics::Counter dropped;
  RecordRing ring(2048, dropped);
  for (uint32_t i = 0; i < kDrainCountMax + 5; ++i) ring.push(AccessRecord{});
  {
    LineFile file(-1);
    ASSERT_EQ(file.open(folder.file("log")), "");
    EXPECT_EQ(drain_access_records(ring, &file), kDrainCountMax);
    EXPECT_EQ(drain_access_records(ring, &file), 5u);
    EXPECT_EQ(drain_access_records(ring, &file), 0u);
  }
  const std::string text = folder.read("log");
  EXPECT_EQ(std::ranges::count(text, '\n'), kDrainCountMax + 5);
  EXPECT_TRUE(text.starts_with("{\"time\":"));
}

TEST(DrainAccessRecords, empties_the_ring_also_when_the_log_is_off) {
  metrics::Counter dropped;
  RecordRing ring(4, dropped);
  ring.push(AccessRecord{});
  EXPECT_EQ(drain_access_records(ring, nullptr), 1u);
  EXPECT_FALSE(ring.has_records());
}

TEST(DrainLogRecords, keeps_the_time_at_which_the_shard_wrote) {
  const ScratchFolder folder;
  SystemClock clock;
  metrics::Counter dropped;
  LogRing ring(4, dropped);
  LogRecord record{.at = WallTime{0}, .level = LogLevel::kInfo, .component = "x", .message = {}};
  record.message = "early";
  ring.push(record);
  {
    LineFile file(-1);
    ASSERT_EQ(file.open(folder.file("log")), "");
    const Redactor redactor;
    LogSink sink(clock, file, redactor, LogLevel::kInfo, config::LogFormat::kText);
    EXPECT_EQ(drain_log_records(ring, sink), 1u);
  }
  EXPECT_EQ(folder.read("log"), "1970-01-01T00:00:00.000000Z info x: early\n");
}

}  // namespace
}  // namespace sluice::telemetry
