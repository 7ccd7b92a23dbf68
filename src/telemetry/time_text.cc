#include <sluice/telemetry/time_text.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice::telemetry {
namespace {

constexpr int64_t kMicrosecondsPerDay = 86'400'000'000;
constexpr int64_t kLastTime = 253'402'300'799'999'999;  // 9999-12-31T23:59:59.999999Z

char* write_digits(char* out, uint32_t value, int digits) noexcept {
  for (int i = digits; i-- > 0; value /= 10) out[i] = static_cast<char>('0' + value % 10);
  return out + digits;
}

}  // namespace

char* write_time(char* out, WallTime time) noexcept {
  const int64_t us = std::clamp(time.unix_us, int64_t{0}, kLastTime);
  const std::chrono::sys_days day{std::chrono::days(us / kMicrosecondsPerDay)};
  const std::chrono::year_month_day date(day);
  const auto of_day = us % kMicrosecondsPerDay;
  const auto second_of_day = static_cast<uint32_t>(of_day / 1'000'000);
  out = write_digits(out, static_cast<uint32_t>(static_cast<int>(date.year())), 4);
  *out++ = '-';
  out = write_digits(out, static_cast<unsigned>(date.month()), 2);
  *out++ = '-';
  out = write_digits(out, static_cast<unsigned>(date.day()), 2);
  *out++ = 'T';
  out = write_digits(out, second_of_day / 3600, 2);
  *out++ = ':';
  out = write_digits(out, second_of_day / 60 % 60, 2);
  *out++ = ':';
  out = write_digits(out, second_of_day % 60, 2);
  *out++ = '.';
  out = write_digits(out, static_cast<uint32_t>(of_day % 1'000'000), 6);
  *out++ = 'Z';
  return out;
}

}  // namespace sluice::telemetry
