// One log line on its way from a shard to the control thread.
#pragma once

#include <string_view>
#include <type_traits>

#include <sluice/base/clock.h>
#include <sluice/base/log.h>
#include <sluice/telemetry/access_record.h>

namespace sluice::telemetry {

struct LogRecord {
  WallTime at;
  LogLevel level = LogLevel::kInfo;
  std::string_view component;  // Static storage, as Logger::write() demands.
  BoundedText<400> message;
};
static_assert(std::is_trivially_copyable_v<LogRecord>);

}  // namespace sluice::telemetry
