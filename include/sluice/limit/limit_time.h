// The time line of limits.
#pragma once

#include <algorithm>
#include <chrono>

#include <sluice/base/clock.h>

namespace sluice::limit {

// Microseconds since the Unix epoch that never go back: monotonic time moved by what the wall clock
// said when the process began, so that days and months are told and a bank file makes sense after a
// restart. A wall clock that is set later changes nothing until then.
struct LimitLine {
  using duration = microseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<LimitLine, microseconds>;
  static constexpr bool is_steady = true;
};
using LimitTime = LimitLine::time_point;

class LimitClock {
 public:
  LimitClock() noexcept = default;
  // `not_before` is where the line of an earlier process ended.
  LimitClock(MonoTime now, WallTime wall, LimitTime not_before = {}) noexcept
      : offset_(std::max(microseconds(wall.unix_us), not_before.time_since_epoch()) -
                since_start(now)) {}

  // The line of another process of this machine, which may go on beside this one.
  [[nodiscard]] static LimitClock of_offset(microseconds offset) noexcept {
    LimitClock clock;
    clock.offset_ = offset;
    return clock;
  }
  [[nodiscard]] microseconds offset() const noexcept { return offset_; }

  [[nodiscard]] LimitTime at(MonoTime now) const noexcept {
    return LimitTime(since_start(now) + offset_);
  }

 private:
  static microseconds since_start(MonoTime now) noexcept {
    return std::chrono::duration_cast<microseconds>(now.time_since_epoch());
  }
  microseconds offset_{};
};

}  // namespace sluice::limit
