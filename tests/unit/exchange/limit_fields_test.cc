#include "limit_fields.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "fake_sink.h"

namespace sluice::exchange {
namespace {

std::string duration(int64_t ms) {
  std::array<char, kDurationTextMost> text;
  return {text.data(), write_duration(text.data(), milliseconds(ms))};
}

std::string lines(const limit::RateLimiter::Views& views) {
  io::ReadyQueue ready;
  FakeSink sink(ready);
  add_limit_fields(sink, views);
  return sink.head;
}

TEST(LimitFields, durations_are_written_as_openai_writes_them) {
  EXPECT_EQ(duration(-5), "0ms");
  EXPECT_EQ(duration(0), "0ms");
  EXPECT_EQ(duration(12), "12ms");
  EXPECT_EQ(duration(999), "999ms");
  EXPECT_EQ(duration(1'000), "1s");
  EXPECT_EQ(duration(7'500), "7.500s");
  EXPECT_EQ(duration(59'007), "59.007s");
  EXPECT_EQ(duration(60'000), "1m0s");
  EXPECT_EQ(duration(360'000), "6m0s");
  EXPECT_EQ(duration(9'000'000), "2h30m0s");
  EXPECT_EQ(duration(3'600'010), "1h0m0.010s");
  EXPECT_LE(duration(std::numeric_limits<int64_t>::max()).size(), kDurationTextMost);
}

TEST(LimitFields, only_what_is_known_is_told) {
  EXPECT_EQ(lines({}), "");
  EXPECT_EQ(lines({.requests = limit::LimitView{.most = 60, .remaining = 7, .reset = seconds(31)}}),
            "x-ratelimit-limit-requests: 60\r\n"
            "x-ratelimit-remaining-requests: 7\r\n"
            "x-ratelimit-reset-requests: 31s\r\n");
  EXPECT_EQ(lines({.requests = limit::LimitView{.most = 100, .remaining = 0},
                   .tokens =
                       limit::LimitView{
                           .most = 12'345, .remaining = 1'000, .reset = microseconds(1'500)}}),
            "x-ratelimit-limit-requests: 100\r\n"
            "x-ratelimit-remaining-requests: 0\r\n"
            "x-ratelimit-reset-requests: 0ms\r\n"
            "x-ratelimit-limit-tokens: 12345\r\n"
            "x-ratelimit-remaining-tokens: 1000\r\n"
            "x-ratelimit-reset-tokens: 2ms\r\n");
}

TEST(LimitFields, the_largest_numbers_fit) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const limit::LimitView most{.most = kMost, .remaining = kMost, .reset = microseconds(kMost)};
  const std::string text = lines({.requests = most, .tokens = most});
  EXPECT_TRUE(text.contains("x-ratelimit-limit-tokens: 9223372036854775807\r\n")) << text;
  const limit::LimitView least{.most = -1, .remaining = -1, .reset = microseconds(-1)};
  EXPECT_TRUE(lines({.tokens = least}).contains("x-ratelimit-remaining-tokens: 0\r\n"));
}

}  // namespace
}  // namespace sluice::exchange
