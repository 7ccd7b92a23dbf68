#include <sluice/control/record_logs.h>

namespace sluice::control {

bool RecordLogs::has_records() const noexcept {
  for (const Source& source : sources_) {
    if (source.records->has_records() || source.lines->has_records()) return true;
  }
  return false;
}

bool RecordLogs::collect() {
  uint32_t count = 0;
  for (const Source& source : sources_) {
    for (uint32_t batch = 0; batch < kBatchesMost; ++batch) {
      const uint32_t taken = telemetry::drain_access_records(
          *source.records, is_access_on_ ? &targets_.access : nullptr);
      count += taken;
      if (taken < telemetry::kDrainCountMax) break;
    }
    count += telemetry::drain_log_records(*source.lines, targets_.sink);
  }
  note_losses();
  return count > 0;
}

void RecordLogs::note_losses() {
  cells_.access_log_dropped.add(targets_.access.take_dropped());
  cells_.log_dropped.add(targets_.log.take_dropped());
  const std::string access_problem = targets_.access.take_problem();
  if (!access_problem.empty()) {
    targets_.sink.write(LogLevel::kError, "access_log", access_problem);
  }
  if (targets_.access.take_recovery()) {
    targets_.sink.write(LogLevel::kInfo, "access_log", "the access log is written again");
  }
  const std::string log_problem = targets_.log.take_problem();
  if (!log_problem.empty()) targets_.sink.write(LogLevel::kError, "log", log_problem);
  if (targets_.log.take_recovery()) {
    targets_.sink.write(LogLevel::kInfo, "log", "the log is written again");
  }
}

void RecordLogs::apply(const config::LogSettings& log, const config::AccessLogSettings& access) {
  targets_.redactor.set_patterns(log.redact);
  targets_.sink.set_level(log.level);
  targets_.sink.set_format(log.format);
  if (is_applied_ && log.file != log_path_) targets_.log.reopen(log.file);
  if (is_applied_ && access.file != access_path_) targets_.access.reopen(access.file);
  log_path_ = log.file;
  access_path_ = access.file;
  is_access_on_ = access.enabled;
  is_applied_ = true;
}

void RecordLogs::reopen() {
  targets_.log.reopen(log_path_);
  targets_.access.reopen(access_path_);
}

}  // namespace sluice::control
