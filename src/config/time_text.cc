#include <sluice/config/time_text.h>

#include <charconv>
#include <chrono>

namespace sluice::config {
namespace {

constexpr int64_t kMicrosecondsPerSecond = 1'000'000;

// Takes exactly `digits` digits off `text`; -1 when they are not there.
int take_digits(std::string_view& text, size_t digits) noexcept {
  int number = 0;
  if (text.size() < digits) return -1;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, char wanted) noexcept {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// Digits behind the dot as microseconds, finer ones cut off; -1 when there is none.
int64_t take_fraction(std::string_view& text) noexcept {
  int64_t microseconds = 0;
  int64_t factor = kMicrosecondsPerSecond / 10;
  size_t length = 0;
  for (; length < text.size() && text[length] >= '0' && text[length] <= '9'; ++length) {
    microseconds += (text[length] - '0') * factor;
    factor /= 10;
  }
  text.remove_prefix(length);
  return length == 0 ? -1 : microseconds;
}

// Seconds to take off; empty when `text` is not exactly an offset.
std::optional<int64_t> read_offset(std::string_view text) noexcept {
  if (text == "Z" || text == "z") return 0;
  const bool is_behind = text.starts_with('-');
  if (!is_behind && !text.starts_with('+')) return std::nullopt;
  text.remove_prefix(1);
  const int hours = take_digits(text, 2);
  if (!take(text, ':')) return std::nullopt;
  const int minutes = take_digits(text, 2);
  if (!text.empty() || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  const int64_t offset = hours * 3600 + minutes * 60;
  return is_behind ? -offset : offset;
}

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view text) noexcept {
  const int year = take_digits(text, 4);
  if (!take(text, '-')) return std::nullopt;
  const int month = take_digits(text, 2);
  if (!take(text, '-')) return std::nullopt;
  const int day = take_digits(text, 2);
  if (!take(text, 'T') && !take(text, 't')) return std::nullopt;
  const int hour = take_digits(text, 2);
  if (!take(text, ':')) return std::nullopt;
  const int minute = take_digits(text, 2);
  if (!take(text, ':')) return std::nullopt;
  const int second = take_digits(text, 2);
  if (year < 0 || month < 0 || day < 0) return std::nullopt;
  // A leap second is written as :60.
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
    return std::nullopt;
  }
  const int64_t fraction = take(text, '.') ? take_fraction(text) : 0;
  const auto offset = read_offset(text);
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (fraction < 0 || !offset || !date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t seconds_of_day = hour * 3600 + minute * 60 + second;
  return WallTime{(days * 86'400 + seconds_of_day - *offset) * kMicrosecondsPerSecond + fraction};
}

}  // namespace sluice::config
