// Log lines for operators, from the control thread and from shards, in one order and format.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include <sluice/base/clock.h>
#include <sluice/base/log.h>
#include <sluice/config/snapshot.h>
#include <sluice/telemetry/line_file.h>
#include <sluice/telemetry/log_record.h>
#include <sluice/telemetry/record_ring.h>
#include <sluice/telemetry/redactor.h>

namespace sluice::telemetry {

// The logger of app and of the control thread. Level and format may change at any time. Any thread
// but a shard's; `clock`, `file` and `redactor` must outlive it. What the redactor knows is struck
// out of each message, then the message is cut at kMessageBytesMax.
class LogSink final : public Logger {
 public:
  static constexpr size_t kMessageBytesMax = 16u << 10;

  LogSink(Clock& clock, LineFile& file, const Redactor& redactor, LogLevel level,
          config::LogFormat format) noexcept
      : clock_(clock), file_(file), redactor_(redactor), level_(level), format_(format) {}

  [[nodiscard]] bool is_enabled(LogLevel level) const noexcept override {
    return level >= level_.load(std::memory_order_relaxed) && level != LogLevel::kOff;
  }
  void write(LogLevel level, std::string_view component, std::string_view message) override;
  // For lines that were written elsewhere at an earlier time.
  void write_at(WallTime at, LogLevel level, std::string_view component, std::string_view message);

  void set_level(LogLevel level) noexcept { level_.store(level, std::memory_order_relaxed); }
  void set_format(config::LogFormat format) noexcept {
    format_.store(format, std::memory_order_relaxed);
  }

 private:
  Clock& clock_;
  LineFile& file_;
  const Redactor& redactor_;
  std::atomic<LogLevel> level_;
  std::atomic<config::LogFormat> format_;
};

// The logger of one shard: copies the message, cut at 400 bytes, into a ring that the control
// thread drains. Never blocks, never allocates. The level changes by a message to the shard.
class ShardLogger final : public Logger {
 public:
  ShardLogger(Clock& clock, LogRing& ring, LogLevel level) noexcept
      : clock_(clock), ring_(ring), level_(level) {}

  [[nodiscard]] bool is_enabled(LogLevel level) const noexcept override {
    return level >= level_ && level != LogLevel::kOff;
  }
  void write(LogLevel level, std::string_view component, std::string_view message) override;
  void set_level(LogLevel level) noexcept { level_ = level; }

 private:
  Clock& clock_;
  LogRing& ring_;
  LogLevel level_;
};

// Appends one line with its newline. Control characters in `message` never reach the output as
// such, so that a peer's bytes cannot forge a line.
void append_log_line(config::LogFormat format, WallTime at, LogLevel level,
                     std::string_view component, std::string_view message, std::string& out);

}  // namespace sluice::telemetry
