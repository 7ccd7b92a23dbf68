#include <sluice/base/clock.h>

#include <time.h>

namespace sluice {
namespace {

timespec read_clock(clockid_t id) noexcept {
  timespec time{};
  clock_gettime(id, &time);  // Cannot fail for these two clocks; served by the vDSO.
  return time;
}

}  // namespace

MonoTime SystemClock::now() noexcept {
  const timespec time = read_clock(CLOCK_MONOTONIC);
  return MonoTime{Duration{time.tv_sec * 1'000'000'000LL + time.tv_nsec}};
}

WallTime SystemClock::wall() noexcept {
  const timespec time = read_clock(CLOCK_REALTIME);
  return WallTime{time.tv_sec * 1'000'000LL + time.tv_nsec / 1000};
}

}  // namespace sluice
