#include "calendar.h"

namespace sluice::limit {
namespace {

LimitTime at(std::chrono::sys_days day) noexcept {
  return LimitTime(std::chrono::duration_cast<microseconds>(day.time_since_epoch()));
}

}  // namespace

CalendarSlot calendar_slot(config::LimitWindow window, LimitTime time) noexcept {
  using std::chrono::days;
  using std::chrono::months;
  const std::chrono::sys_days today{std::chrono::floor<days>(time.time_since_epoch())};
  const int64_t day = today.time_since_epoch().count();
  switch (window) {
    case config::LimitWindow::kDay: return {day, at(today + days(1))};
    case config::LimitWindow::kWeek: {
      // The epoch was a Thursday; weeks begin with Monday (ISO 8601).
      const int64_t week = (day + 3) / 7;
      return {week, at(std::chrono::sys_days(days(7 * (week + 1) - 3)))};
    }
    case config::LimitWindow::kMonth: {
      const std::chrono::year_month_day date(today);
      const auto next =
          std::chrono::year_month_day(date.year(), date.month(), std::chrono::day(1)) + months(1);
      return {int{date.year()} * 12 + static_cast<int>(unsigned{date.month()}) - 1,
              at(std::chrono::sys_days(next))};
    }
    default: return {1, LimitTime::max()};
  }
}

}  // namespace sluice::limit
