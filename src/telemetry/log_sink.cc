#include <sluice/telemetry/log_sink.h>

#include <array>

#include <sluice/json/writer.h>
#include <sluice/telemetry/time_text.h>

namespace sluice::telemetry {
namespace {

void append_time(WallTime at, std::string& out) {
  std::array<char, kTimeTextBytes> text;
  out.append(text.data(), write_time(text.data(), at));
}

// Control characters become '?': a line stays one line, and a terminal takes no orders.
void append_visible(std::string_view text, std::string& out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
}

}  // namespace

void append_log_line(config::LogFormat format, WallTime at, LogLevel level,
                     std::string_view component, std::string_view message, std::string& out) {
  if (format == config::LogFormat::kJson) {
    out += "{\"time\":\"";
    append_time(at, out);
    out += "\",\"level\":\"";
    out += to_string(level);
    out += "\",\"component\":";
    json::Writer(out).string(component);
    out += ",\"message\":";
    json::Writer(out).string(message);
    out += "}\n";
    return;
  }
  append_time(at, out);
  out += ' ';
  out += to_string(level);
  out += ' ';
  append_visible(component, out);
  out += ": ";
  append_visible(message, out);
  out += '\n';
}

void LogSink::write(LogLevel level, std::string_view component, std::string_view message) {
  if (is_enabled(level)) write_at(clock_.wall(), level, component, message);
}

void LogSink::write_at(WallTime at, LogLevel level, std::string_view component,
                       std::string_view message) {
  if (!is_enabled(level)) return;
  std::string text(message);
  redactor_.redact(text);
  if (text.size() > kMessageBytesMax) text.resize(kMessageBytesMax);
  std::string line;
  append_log_line(format_.load(std::memory_order_relaxed), at, level, component, text, line);
  file_.append(std::move(line), 1);
}

void ShardLogger::write(LogLevel level, std::string_view component, std::string_view message) {
  if (!is_enabled(level)) return;
  LogRecord record{.at = clock_.wall(), .level = level, .component = component, .message = {}};
  record.message = message;
  ring_.push(record);
}

}  // namespace sluice::telemetry
