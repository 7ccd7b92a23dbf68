#include <sluice/telemetry/log_sink.h>

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "scratch_folder.h"

namespace sluice::telemetry {
namespace {

class StoppedClock final : public Clock {
 public:
  MonoTime now() noexcept override { return {}; }
  WallTime wall() noexcept override { return WallTime{1'763'648'700'123'456}; }
};

std::string line(config::LogFormat format, std::string_view message) {
  std::string out;
  append_log_line(format, WallTime{1'763'648'700'123'456}, LogLevel::kWarn, "pool", message, out);
  return out;
}

TEST(AppendLogLine, respects_the_format) {
  EXPECT_EQ(line(config::LogFormat::kText, "it is late"),
            "2025-11-20T14:25:00.123456Z warn pool: it is late\n");
  EXPECT_EQ(line(config::LogFormat::kJson, "it is \"late\""),
            "{\"time\":\"2025-11-20T14:25:00.123456Z\",\"level\":\"warn\",\"component\":\"pool\","
            "\"message\":\"it is \\\"late\\\"\"}\n");
}

TEST(AppendLogLine, d075_a_message_cannot_forge_a_line) {
  EXPECT_EQ(line(config::LogFormat::kText, "a\r\nb\x1b[2J\x7f"),
            "2025-11-20T14:25:00.123456Z warn pool: a??b?[2J?\n");
  EXPECT_EQ(line(config::LogFormat::kJson, "a\nb").find('\n'),
            line(config::LogFormat::kJson, "a\nb").size() - 1);
}

TEST(LogSink, d070_strikes_out_secrets_and_cuts_long_messages) {
  const ScratchFolder folder;
  StoppedClock clock;
  {
    LineFile file(-1);
    ASSERT_EQ(file.open(folder.file("log")), "");
    Redactor redactor;
    LogSink sink(clock, file, redactor, LogLevel::kInfo, config::LogFormat::kText);
    sink.write(LogLevel::kInfo, "a", "authorization: Bearer abcdefgh12345678");
    sink.write(LogLevel::kInfo, "a", "patient 4711");
    redactor.set_patterns(std::vector<std::string>{"patient [0-9]+"});
    sink.write(LogLevel::kInfo, "a", "patient 4711");
    // The secret lies across the place of the cut.
    sink.write(LogLevel::kInfo, "a",
               std::string(LogSink::kMessageBytesMax - 15, ' ') + "sk-abcdefgh12345678");
  }
  const std::string text = folder.read("log");
  const std::string head = "2025-11-20T14:25:00.123456Z info a: ";
  EXPECT_TRUE(text.starts_with(head + "authorization: Bearer [redacted]\n" + head +
                               "patient 4711\n" + head + "[redacted]\n" + head))
      << text.substr(0, 400);
  EXPECT_FALSE(text.contains("sk-"));
  EXPECT_LE(text.size(), LogSink::kMessageBytesMax + 400);
}

TEST(LogSink, d078_level_and_format_change_at_run_time) {
  const ScratchFolder folder;
  StoppedClock clock;
  {
    LineFile file(-1);
    ASSERT_EQ(file.open(folder.file("log")), "");
    const Redactor redactor;
    LogSink sink(clock, file, redactor, LogLevel::kInfo, config::LogFormat::kText);
    sink.write(LogLevel::kDebug, "a", "hidden");
    sink.write(LogLevel::kInfo, "a", "shown");
    sink.set_level(LogLevel::kDebug);
    EXPECT_TRUE(sink.is_enabled(LogLevel::kDebug));
    sink.write(LogLevel::kDebug, "a", "shown too");
    sink.set_format(config::LogFormat::kJson);
    sink.write(LogLevel::kError, "a", "as json");
    sink.set_level(LogLevel::kOff);
    sink.write(LogLevel::kError, "a", "hidden");
    EXPECT_FALSE(sink.is_enabled(LogLevel::kOff));
  }
  EXPECT_EQ(folder.read("log"),
            "2025-11-20T14:25:00.123456Z info a: shown\n"
            "2025-11-20T14:25:00.123456Z debug a: shown too\n"
            "{\"time\":\"2025-11-20T14:25:00.123456Z\",\"level\":\"error\",\"component\":\"a\","
            "\"message\":\"as json\"}\n");
}

TEST(ShardLogger, copies_what_its_level_lets_through) {
  StoppedClock clock;
  metrics::Counter dropped;
  LogRing ring(2, dropped);
  ShardLogger logger(clock, ring, LogLevel::kWarn);
  logger.write(LogLevel::kInfo, "relay", "hidden");
  logger.write(LogLevel::kError, "relay", std::string(1000, 'x'));
  logger.set_level(LogLevel::kDebug);
  logger.write(LogLevel::kDebug, "relay", "second");
  logger.write(LogLevel::kDebug, "relay", "dropped");
  EXPECT_EQ(dropped.value(), 1u);
  std::vector<LogRecord> records;
  ring.drain(10, [&](const LogRecord& record) { records.push_back(record); });
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].message.view(), std::string(400, 'x'));
  EXPECT_EQ(records[0].level, LogLevel::kError);
  EXPECT_EQ(records[0].at.unix_us, clock.wall().unix_us);
  EXPECT_EQ(records[1].message.view(), "second");
}

}  // namespace
}  // namespace sluice::telemetry
