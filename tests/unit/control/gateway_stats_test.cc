#include <sluice/control/gateway_stats.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice::control {
namespace {

constexpr MonoTime kStatsStart{seconds(100'000)};

OwnStatsByName both() {
  return {{"a",
           {.in_flight = 3,
            .minute_tokens = 1200,
            .first_token = {milliseconds(80), 2},
            .whole = {milliseconds(900), 3},
            .cooldown = {.number = 77, .age = seconds(1), .left = seconds(9)}}},
          {"west 1:2;3", {.in_flight = 1}}};
}

TEST(GatewayStats, what_is_told_is_read_and_nothing_is_told_of_the_idle) {
  OwnStatsByName stats = both();
  stats["idle"];
  EXPECT_EQ(decode_stats(encode_stats(stats)), both());
  EXPECT_EQ(decode_stats(encode_stats({})), OwnStatsByName{});
}

TEST(GatewayStats, no_part_of_a_text_is_taken_for_another_text) {
  const std::string text = encode_stats(both());
  for (size_t length = 0; length < text.size(); ++length) {
    const auto read = decode_stats(std::string_view(text).substr(0, length));
    // Only where a deployment ends.
    if (read) EXPECT_TRUE(text[length - 1] == ';' && read->size() < 2) << length;
  }
}

TEST(GatewayStats, every_byte_that_is_spoilt_is_read_within_bounds_or_not_at_all) {
  const std::string text = encode_stats(both());
  for (size_t at = 0; at < text.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string spoilt = text;
      spoilt[at] = static_cast<char>(byte);
      const auto read = decode_stats(spoilt);
      if (read) EXPECT_LE(encode_stats(*read).size(), spoilt.size()) << at << ' ' << byte;
    }
  }
}

TEST(GatewayStats, hostile_texts_are_refused) {
  const std::string_view rest = " 1 0 0 0 0 0 0 0 0;";
  ASSERT_TRUE(decode_stats(fmt::format("1;1:a{}", rest)));
  for (const std::string& text : {std::string(),
                                  std::string("2;"),
                                  std::string("1;x"),
                                  fmt::format("1;0:{}", rest),
                                  fmt::format("1;01:a{}", rest),
                                  fmt::format("1;+1:a{}", rest),
                                  fmt::format("1;-1:a{}", rest),
                                  fmt::format("1;2:a{}", rest),
                                  fmt::format("1;99999999999999999999:a{}", rest),
                                  fmt::format("1;257:{}{}", std::string(257, 'a'), rest),
                                  fmt::format("1;1:a{0}1:a{0}", rest),
                                  std::string("1;1:a 1000001 0 0 0 0 0 0 0 0;"),
                                  std::string("1;1:a 0 0 3600000001 1 0 0 0 0 0;"),
                                  std::string("1;1:a 0 0 1 257 0 0 0 0 0;"),
                                  std::string("1;1:a 0 0 0 0 0 0 1 86400000001 0;"),
                                  std::string("1;1:a 0 0 0 0 0 0 1 0 86400000001;"),
                                  std::string("1;1:a 0 0 0 0 0 0 18446744073709551616 0 0;"),
                                  std::string("1;1:a  1 0 0 0 0 0 0 0 0;"),
                                  std::string("1;1:a 1 0 0 0 0 0 0 0;"),
                                  "1;" + std::string(kStatsTextMost, ' ')}) {
    EXPECT_FALSE(decode_stats(text)) << text.substr(0, 80);
  }
}

TEST(GatewayStats, what_is_too_much_is_told_as_the_bound) {
  OwnStatsByName stats{{"a",
                        {.in_flight = UINT64_MAX,
                         .minute_tokens = UINT64_MAX,
                         .first_token = {Duration::max(), UINT32_MAX},
                         .cooldown = {UINT64_MAX, seconds(1), Duration::max()}}},
                       {"old", {.cooldown = {5, kStatsCooldownMost + seconds(1)}}}};
  const auto read = decode_stats(encode_stats(stats));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 1u);
  EXPECT_EQ(read->at("a").in_flight, kStatsInFlightMost);
  EXPECT_EQ(read->at("a").first_token, (SharedMean{kStatsMeanMost, kStatsShardsMost}));
  EXPECT_EQ(read->at("a").cooldown.left, kStatsCooldownMost);
  for (int i = 0; i < 10'000; ++i) stats[fmt::format("deployment-{:020}", i)].in_flight = 1;
  const std::string text = encode_stats(stats);
  EXPECT_LE(text.size(), kStatsTextMost);
  EXPECT_TRUE(decode_stats(text));
}

class OtherGatewaysTest : public testing::Test {
 protected:
  // As if gateway `id` had written `own` of deployment a some time ago.
  static GatewayText of(const std::string& id, const OwnStats& own, Duration age = {}) {
    return {id, age, encode_stats({{"a", own}})};
  }
  OthersStats a() const {
    const OthersStatsByName sum = others_.sum();
    const auto found = sum.find("a");
    return found == sum.end() ? OthersStats{} : found->second;
  }
  OtherGateways others_;
};

TEST_F(OtherGatewaysTest, amounts_are_added_and_means_weighed_by_shards) {
  others_.hear({of("x", {.in_flight = 3, .minute_tokens = 10, .whole = {milliseconds(100), 1}}),
                of("y", {.in_flight = 4, .minute_tokens = 20, .whole = {milliseconds(200), 3}}),
                {"z", {}, "rubbish"}},
               kStatsStart);
  EXPECT_EQ(a().in_flight, 7u);
  EXPECT_EQ(a().minute_tokens, 30u);
  EXPECT_EQ(a().whole, (SharedMean{milliseconds(175), 4}));
  EXPECT_EQ(a().first_token, SharedMean{});
  others_.hear({of("y", {.in_flight = 4})}, kStatsStart);
  EXPECT_EQ(a().in_flight, 4u);
}

TEST_F(OtherGatewaysTest, who_is_silent_for_three_seconds_counts_no_more) {
  others_.hear({of("x", {.in_flight = 1}), of("y", {.in_flight = 2}, seconds(2)),
                of("z", {.in_flight = 4}, seconds(3))},
               kStatsStart);
  EXPECT_EQ(a().in_flight, 3u);
  others_.forget_silent(kStatsStart + seconds(1));
  EXPECT_EQ(a().in_flight, 1u);
  others_.forget_silent(kStatsStart + seconds(3) - Duration(1));
  EXPECT_EQ(a().in_flight, 1u);
  others_.forget_silent(kStatsStart + seconds(3));
  EXPECT_EQ(others_.sum().size(), 0u);
}

TEST_F(OtherGatewaysTest, the_later_cooldown_holds_in_our_time_and_does_not_shift) {
  const auto rest = [](uint64_t number, Duration age, Duration left) {
    return OwnStats{.cooldown = {number, age, left}};
  };
  others_.hear({of("x", rest(9, seconds(2), seconds(10)), milliseconds(500)),
                of("y", rest(3, seconds(1), seconds(4)))},
               kStatsStart);
  EXPECT_EQ(a().cooldown.at, kStatsStart - seconds(1));
  EXPECT_EQ(a().cooldown.until, kStatsStart + seconds(4));
  // The same changes by another way; then y is cleared, which must not look earlier than its rest.
  others_.hear({of("x", rest(9, seconds(2), seconds(10)))}, kStatsStart + seconds(1));
  EXPECT_EQ(a().cooldown.at, kStatsStart - milliseconds(2500));
  EXPECT_EQ(a().cooldown.until, kStatsStart + milliseconds(9500));
  others_.hear({of("x", rest(10, seconds(60), {}))}, kStatsStart + seconds(1));
  EXPECT_EQ(a().cooldown.at, kStatsStart - milliseconds(2500) + Duration(1));
  EXPECT_EQ(a().cooldown.until, MonoTime::min());
}

TEST_F(OtherGatewaysTest, a_rest_that_was_over_before_it_was_heard_of_says_nothing) {
  others_.hear({of("x", {.in_flight = 1, .cooldown = {9, seconds(2), seconds(1)}}, seconds(1))},
               kStatsStart);
  EXPECT_EQ(a().in_flight, 1u);
  EXPECT_EQ(a().cooldown, resilience::CooldownChange{});
}

TEST_F(OtherGatewaysTest, no_more_than_so_many_are_heard) {
  std::vector<GatewayText> texts;
  for (int i = 0; i < 100; ++i) texts.push_back(of(fmt::format("{}", i), {.in_flight = 1}));
  others_.hear(texts, kStatsStart);
  EXPECT_EQ(a().in_flight, OtherGateways::kMost);
}

}  // namespace
}  // namespace sluice::control
