#include "calendar.h"

#include <gtest/gtest.h>

namespace sluice::limit {
namespace {

using config::LimitWindow;
using std::chrono::sys_days;

LimitTime at(std::chrono::year_month_day day, microseconds in_day = {}) {
  return LimitTime(std::chrono::duration_cast<microseconds>(sys_days(day).time_since_epoch()) +
                   in_day);
}
std::chrono::year_month_day date(int y, unsigned m, unsigned d) {
  return {std::chrono::year(y), std::chrono::month(m), std::chrono::day(d)};
}

TEST(Calendar, days_end_at_midnight) {
  const CalendarSlot slot = calendar_slot(LimitWindow::kDay, at(date(2026, 11, 27), seconds(5)));
  EXPECT_EQ(slot.ends_at, at(date(2026, 11, 28)));
}

TEST(Calendar, weeks_end_on_monday) {
  // 2026-11-27 is a Friday, 2026-11-30 a Monday.
  EXPECT_EQ(calendar_slot(LimitWindow::kWeek, at(date(2026, 11, 27))).ends_at,
            at(date(2026, 11, 30)));
  EXPECT_EQ(calendar_slot(LimitWindow::kWeek, at(date(2026, 11, 29), seconds(86'399))).ends_at,
            at(date(2026, 11, 30)));
  EXPECT_EQ(calendar_slot(LimitWindow::kWeek, at(date(2026, 11, 30))).ends_at,
            at(date(2026, 12, 7)));
}

TEST(Calendar, months_end_on_the_first) {
  EXPECT_EQ(calendar_slot(LimitWindow::kMonth, at(date(2026, 12, 31))).ends_at,
            at(date(2027, 1, 1)));
  EXPECT_EQ(calendar_slot(LimitWindow::kMonth, at(date(2028, 2, 29))).ends_at,
            at(date(2028, 3, 1)));
  EXPECT_EQ(calendar_slot(LimitWindow::kMonth, at(date(2027, 1, 1))).number,
            calendar_slot(LimitWindow::kMonth, at(date(2026, 12, 31))).number + 1);
}

TEST(Calendar, a_total_never_ends) {
  EXPECT_EQ(calendar_slot(LimitWindow::kTotal, at(date(2026, 1, 1))).ends_at, LimitTime::max());
}

}  // namespace
}  // namespace sluice::limit
