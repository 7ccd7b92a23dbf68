#include "limit_fields.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sluice::exchange {
namespace {

constexpr size_t kDigitsMost = 20;

constexpr std::array<std::array<char, 2>, 100> kDigitPairs = [] {
  std::array<std::array<char, 2>, 100> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
  }
  return pairs;
}();

char* write_text(char* to, std::string_view text) noexcept {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

char* write_number(char* to, uint64_t number) noexcept {
  std::array<char, kDigitsMost> digits;
  char* begin = digits.data() + digits.size();
  for (; number >= 100; number /= 100) {
    std::memcpy(begin -= 2, kDigitPairs[number % 100].data(), 2);
  }
  if (number >= 10) {
    std::memcpy(begin -= 2, kDigitPairs[number].data(), 2);
  } else {
    *--begin = static_cast<char>('0' + number);
  }
  return write_text(to, {begin, digits.data() + digits.size()});
}

struct FieldNames {
  std::string_view limit;
  std::string_view remaining;
  std::string_view reset;
};
constexpr FieldNames kOfRequests{
    "x-ratelimit-limit-requests: ", "\r\nx-ratelimit-remaining-requests: ",
    "\r\nx-ratelimit-reset-requests: "};
constexpr FieldNames kOfTokens{"x-ratelimit-limit-tokens: ", "\r\nx-ratelimit-remaining-tokens: ",
                               "\r\nx-ratelimit-reset-tokens: "};
constexpr size_t kLinesMost = 2 * (kOfRequests.limit.size() + kOfRequests.remaining.size() +
                                   kOfRequests.reset.size() + 2 * kDigitsMost + kDurationTextMost);

template <const FieldNames& kNames>
char* write_lines(char* to, const limit::LimitView& view) noexcept {
  const auto not_negative = [](int64_t number) {
    return static_cast<uint64_t>(std::max(int64_t{0}, number));
  };
  to = write_number(write_text(to, kNames.limit), not_negative(view.most));
  to = write_number(write_text(to, kNames.remaining), not_negative(view.remaining));
  to = write_duration(write_text(to, kNames.reset), std::chrono::ceil<milliseconds>(view.reset));
  return write_text(to, "\r\n");
}

}  // namespace

char* write_duration(char* to, milliseconds time) noexcept {
  const auto ms = static_cast<uint64_t>(std::max(int64_t{0}, time.count()));
  if (ms < 1000) return write_text(write_number(to, ms), "ms");
  const uint64_t minutes = ms / 60'000;
  if (minutes >= 60) to = write_text(write_number(to, minutes / 60), "h");
  if (minutes > 0) to = write_text(write_number(to, minutes % 60), "m");
  to = write_number(to, ms / 1000 % 60);
  if (const uint64_t rest = ms % 1000; rest != 0) {
    *to++ = '.';
    *to++ = static_cast<char>('0' + rest / 100);
    to = write_text(to, {kDigitPairs[rest % 100].data(), 2});
  }
  return write_text(to, "s");
}

void add_limit_fields(http::ResponseSink& sink, const limit::RateLimiter::Views& views) noexcept {
  std::array<char, kLinesMost> lines;
  char* end = lines.data();
  if (views.requests) end = write_lines<kOfRequests>(end, *views.requests);
  if (views.tokens) end = write_lines<kOfTokens>(end, *views.tokens);
  if (end != lines.data()) sink.add_lines({lines.data(), end});
}

}  // namespace sluice::exchange
