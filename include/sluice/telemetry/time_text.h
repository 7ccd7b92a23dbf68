// Wall time as text: RFC 3339 in UTC with microseconds.
#pragma once

#include <sluice/base/clock.h>

namespace sluice::telemetry {

inline constexpr int kTimeTextBytes = 27;

// Writes "2026-11-20T14:25:00.123456Z" and returns the end. Years 1970 to 9999.
char* write_time(char* out, WallTime time) noexcept;

}  // namespace sluice::telemetry
