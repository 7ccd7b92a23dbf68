#include "timeout_wishes.h"

#include <gtest/gtest.h>

namespace sluice::exchange {
namespace {

constexpr config::UpstreamTimeouts kConfigured{.connect = seconds(3),
                                               .response = seconds(10),
                                               .first_token = Duration::zero(),
                                               .idle = seconds(20),
                                               .total = seconds(100)};

config::UpstreamTimeouts applied(std::string_view text, Duration cap = Duration::zero()) {
  const auto wishes = parse_timeout_wishes(text);
  EXPECT_TRUE(wishes.has_value()) << text;
  return apply_wishes(kConfigured, *wishes, cap);
}

TEST(TimeoutWishes, d037_a_time_alone_is_the_whole_request) {
  const auto wishes = parse_timeout_wishes("30s");
  ASSERT_TRUE(wishes.has_value());
  EXPECT_EQ(wishes->total, seconds(30));
  EXPECT_EQ(wishes->connect, std::nullopt);
}

TEST(TimeoutWishes, d037_each_clock_has_a_name) {
  const auto wishes =
      parse_timeout_wishes("connect=1s,response = 2s,\tfirst_token=3s , idle=4s, total=1m");
  ASSERT_TRUE(wishes.has_value());
  EXPECT_EQ(wishes->connect, seconds(1));
  EXPECT_EQ(wishes->response, seconds(2));
  EXPECT_EQ(wishes->first_token, seconds(3));
  EXPECT_EQ(wishes->idle, seconds(4));
  EXPECT_EQ(wishes->total, seconds(60));
}

TEST(TimeoutWishes, what_cannot_be_read_is_refused) {
  for (const std::string_view text :
       {"soon", "0s", "-1s", "total=", "=1s", "nothing=1s", "total=1s,total=2s", "1s,total=2s",
        "1s,,2s", ",", "connect=0s", "30"}) {
    EXPECT_EQ(parse_timeout_wishes(text), std::nullopt) << text;
  }
}

TEST(TimeoutWishes, d037_a_wish_shortens_and_lengthens_only_up_to_the_cap) {
  EXPECT_EQ(applied("total=5s").total, seconds(5));
  EXPECT_EQ(applied("total=200s").total, seconds(100));
  EXPECT_EQ(applied("total=200s", seconds(150)).total, seconds(150));
  EXPECT_EQ(applied("total=120s", seconds(150)).total, seconds(120));
  // What the file gives is not taken away by a cap below it.
  EXPECT_EQ(applied("total=200s", seconds(50)).total, seconds(100));
  EXPECT_EQ(applied("total=5s").response, seconds(10));
}

TEST(TimeoutWishes, d037_any_wish_shortens_a_clock_that_is_off) {
  EXPECT_EQ(applied("first_token=1h").first_token, std::chrono::hours(1));
  EXPECT_EQ(applied("total=1s").first_token, Duration::zero());
}

// Once found by the fuzzer: with the time of day added it overflowed.
TEST(TimeoutWishes, no_wish_is_too_long_to_be_added_to_now) {
  for (const std::string_view text : {"first_token=106751d", "9223372036s"}) {
    const auto wishes = parse_timeout_wishes(text);
    ASSERT_TRUE(wishes.has_value()) << text;
    const Duration wish = wishes->total ? *wishes->total : *wishes->first_token;
    EXPECT_EQ(wish, std::chrono::days(365)) << text;
  }
}

TEST(TimeoutWishes, d030_a_clock_is_short_exactly_where_it_gave_less_than_the_file) {
  const config::UpstreamTimeouts usual = kConfigured;
  const auto is_short = [&](ErrorCode code, std::string_view wish, Duration lasted = seconds(1)) {
    return had_short_clock(code, usual, applied(wish, seconds(1000)), lasted);
  };
  EXPECT_TRUE(is_short(ErrorCode::kConnectTimeout, "connect=1s"));
  EXPECT_FALSE(is_short(ErrorCode::kConnectTimeout, "connect=9s"));
  EXPECT_FALSE(is_short(ErrorCode::kConnectTimeout, "response=1s"));
  EXPECT_TRUE(is_short(ErrorCode::kUpstreamTimeout, "response=9s"));
  EXPECT_TRUE(is_short(ErrorCode::kFirstTokenTimeout, "first_token=1s"));  // Off otherwise.
  EXPECT_TRUE(is_short(ErrorCode::kUpstreamStalled, "idle=1s"));
  EXPECT_FALSE(is_short(ErrorCode::kUpstreamLost, "total=1s"));
}

TEST(TimeoutWishes, d030_the_total_is_short_when_the_attempt_had_only_a_part_of_it) {
  EXPECT_TRUE(had_short_clock(ErrorCode::kTotalTimeout, kConfigured, kConfigured, seconds(50)));
  EXPECT_FALSE(had_short_clock(ErrorCode::kTotalTimeout, kConfigured, kConfigured, seconds(99)));
  config::UpstreamTimeouts off = kConfigured;
  off.total = Duration::zero();
  EXPECT_TRUE(had_short_clock(ErrorCode::kTotalTimeout, off, kConfigured, seconds(99)));
}

}  // namespace
}  // namespace sluice::exchange
