// Log lines for operators: what happened, where, and what to do about it. Never a secret.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError, kOff };

[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;
// Accepts "debug", "info", "warn", "error", "off"; false leaves `level` untouched.
[[nodiscard]] bool parse_log_level(std::string_view text, LogLevel* level) noexcept;

// Where log lines go. Handed down by constructors; there is no global logger.
// write() never blocks the caller: a sink that cannot keep up drops and counts.
class Logger {
 public:
  virtual ~Logger() = default;
  [[nodiscard]] virtual bool is_enabled(LogLevel level) const noexcept = 0;
  // `component` is a static word such as "upstream"; `message` is one sentence without newline.
  virtual void write(LogLevel level, std::string_view component, std::string_view message) = 0;
};

// Discards everything; for tests and tools.
class NullLogger final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return false; }
  void write(LogLevel, std::string_view, std::string_view) override {}
};

}  // namespace sluice
