// Time as the data path sees it: monotonic, read once per loop turn, replaceable in tests.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace sluice {

using Duration = std::chrono::nanoseconds;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Tag of the monotonic time line (CLOCK_MONOTONIC, or a fake one in tests). Has no now(): time is
// handed down from the ring's turn, never fetched.
struct MonotonicLine {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  using time_point = std::chrono::time_point<MonotonicLine, Duration>;
  static constexpr bool is_steady = true;
};
using MonoTime = MonotonicLine::time_point;

// Microseconds since the Unix epoch; for log lines and expiry dates only, never for intervals.
struct WallTime {
  int64_t unix_us = 0;
  constexpr auto operator<=>(const WallTime&) const noexcept = default;
};

// Source of both time lines. The real one asks the kernel; tests move theirs by hand.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonoTime now() noexcept = 0;
  [[nodiscard]] virtual WallTime wall() noexcept = 0;
};

// CLOCK_MONOTONIC and CLOCK_REALTIME.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] MonoTime now() noexcept override;
  [[nodiscard]] WallTime wall() noexcept override;
};

}  // namespace sluice
