// Windows that begin with the calendar, in UTC.
#pragma once

#include <chrono>
#include <cstdint>

#include <sluice/config/limiting.h>
#include <sluice/limit/limit_time.h>

namespace sluice::limit {

struct CalendarSlot {
  int64_t number = 0;  // Counts days, weeks or months.
  LimitTime ends_at = LimitTime::max();
};

// The window that `time` lies in. kTotal is one window without an end.
[[nodiscard]] CalendarSlot calendar_slot(config::LimitWindow window, LimitTime time) noexcept;

}  // namespace sluice::limit
