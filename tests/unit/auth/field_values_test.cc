#include "field_values.h"

#include <gtest/gtest.h>

namespace sluice::auth {
namespace {

json::Value of(std::string_view text) {
  const auto value = json::parse_value(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value.value_or(json::Value());
}

TEST(FieldValues, numbers) {
  EXPECT_EQ(read_number(of("3")), 3.0);
  EXPECT_EQ(read_number(of("-2.5")), -2.5);
  EXPECT_EQ(read_number(of("\" 7.25 \"")), 7.25);
  for (const char* text : {"true", "\"\"", "\"7 apples\"", "\"inf\"", "\"nan\"", "\"0x10\"", "[]",
                           "{}", "null", "\"1e999\""}) {
    EXPECT_FALSE(read_number(of(text)).has_value()) << text;
  }
  EXPECT_EQ(read_integer(of("\"5\""), 1, 9), 5);
  for (const char* text : {"0", "10", "1.5", "\"x\"", "1e30"}) {
    EXPECT_FALSE(read_integer(of(text), 1, 9).has_value()) << text;
  }
}

TEST(FieldValues, booleans) {
  for (const char* text : {"true", "1", "\"True\"", "\"yes\"", "\"t\"", "\"1\""}) {
    EXPECT_EQ(read_boolean(of(text)), true) << text;
  }
  for (const char* text : {"false", "0", "\"FALSE\"", "\"no\"", "\"f\"", "\"0\""}) {
    EXPECT_EQ(read_boolean(of(text)), false) << text;
  }
  for (const char* text : {"2", "-1", "\"\"", "\"maybe\"", "null", "[true]", "0.5"}) {
    EXPECT_FALSE(read_boolean(of(text)).has_value()) << text;
  }
}

TEST(FieldValues, dates) {
  constexpr int64_t kMicro = 1'000'000;
  constexpr int64_t kDay = 1'798'675'200;  // 2026-12-31.
  const auto seconds_of = [](std::string_view text) -> int64_t {
    const auto time = read_time(of(text));
    return time ? time->unix_us / kMicro : -1;
  };
  EXPECT_EQ(seconds_of("1798675200"), kDay);
  EXPECT_EQ(seconds_of("\"1798675200\""), kDay);
  EXPECT_EQ(seconds_of("\"2026-12-31T00:00:00Z\""), kDay);
  EXPECT_EQ(seconds_of("\"2026-12-31T01:00:00+01:00\""), kDay);
  EXPECT_EQ(seconds_of("\"2026-12-31 00:00:00\""), kDay);
  EXPECT_EQ(seconds_of("\"2026-12-31 00:00:00.25\""), kDay);
  EXPECT_EQ(seconds_of("\"2026-12-31 01:00:00+01\""), kDay);
  EXPECT_EQ(seconds_of("\"2026-12-31\""), kDay);
  EXPECT_EQ(seconds_of("0"), 0);
  // Milliseconds would be a date far from now.
  for (const char* text : {"1798675200000", "-1", "\"0000-00-00 00:00:00\"", "\"soon\"", "true",
                           "\"2026-13-01\"", "\"2026-12-31T\"", "[]"}) {
    EXPECT_EQ(seconds_of(text), -1) << text;
  }
}

TEST(FieldValues, texts_and_lists) {
  using List = std::vector<std::string>;
  EXPECT_EQ(read_text(of("\" a b \""), 8), "a b");
  EXPECT_EQ(read_text(of("42"), 8), "42");
  EXPECT_FALSE(read_text(of("\"123456789\""), 8).has_value());
  EXPECT_FALSE(read_text(of("\"a\\nb\""), 8).has_value());
  EXPECT_FALSE(read_text(of("true"), 8).has_value());
  EXPECT_EQ(read_list(of("[\"a\", \"\", \"b\"]"), 3, 8), (List{"a", "b"}));
  EXPECT_EQ(read_list(of("\"a, b,,c\""), 3, 8), (List{"a", "b", "c"}));
  EXPECT_EQ(read_list(of("[]"), 3, 8), List{});
  for (const char* text : {"[[\"a\"]]", "{}", "5", "[\"1\",\"2\",\"3\",\"4\"]", "\"1,2,3,4\"",
                           "[null]", "[\"123456789\"]"}) {
    EXPECT_FALSE(read_list(of(text), 3, 8).has_value()) << text;
  }
}

}  // namespace
}  // namespace sluice::auth
