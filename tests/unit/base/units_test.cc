#include <sluice/base/units.h>

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ParseBytes, reads_both_families_of_units) {
  EXPECT_EQ(parse_bytes("0"), 0u);
  EXPECT_EQ(parse_bytes("512"), 512u);
  EXPECT_EQ(parse_bytes("32MiB"), 32u << 20);
  EXPECT_EQ(parse_bytes("2KB"), 2000u);
}

TEST(ParseBytes, refuses_what_is_not_exactly_a_size) {
  for (const char* text : {"", "MiB", "-1", "1.5MiB", "1 MiB", "1mib", "9223372036854775808",
                           "9007199254740993KiB", "1MiBx"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

TEST(ParseDuration, reads_one_or_several_parts) {
  EXPECT_EQ(parse_duration("0"), Duration::zero());
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("1m30s"), seconds(90));
  EXPECT_EQ(parse_duration("1d1us"), seconds(86400) + microseconds(1));
}

TEST(ParseDuration, refuses_missing_units_wrong_order_and_overflow) {
  for (const char* text : {"", "5", "s", "30s1m", "1s1s", "1.5s", "-1s", "1 s", "9999999999999d"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Format, is_read_back_to_the_same_value) {
  for (const uint64_t bytes : {0ull, 1ull, 1024ull, 33554432ull, 1000ull, 999ull}) {
    EXPECT_EQ(parse_bytes(format_bytes(bytes)), bytes) << format_bytes(bytes);
  }
  for (const Duration duration :
       {Duration::zero(), Duration(seconds(90)), Duration(milliseconds(1500))}) {
    EXPECT_EQ(parse_duration(format_duration(duration)), duration) << format_duration(duration);
  }
}

}  // namespace
}  // namespace sluice
