#include <sluice/config/time_text.h>

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

int64_t microseconds_of(std::string_view text) {
  const auto time = parse_rfc3339(text);
  return time ? time->unix_us : -1;
}

TEST(Rfc3339, reads_dates_fractions_and_offsets) {
  EXPECT_EQ(microseconds_of("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(microseconds_of("2027-01-31T12:30:15Z"), 1801398615'000000);
  EXPECT_EQ(microseconds_of("2027-01-31t12:30:15.25z"), 1801398615'250000);
  EXPECT_EQ(microseconds_of("2027-01-31T14:30:15+02:00"), 1801398615'000000);
  EXPECT_EQ(microseconds_of("2027-01-31T07:00:15-05:30"), 1801398615'000000);
  EXPECT_EQ(microseconds_of("2024-02-29T23:59:60Z"), microseconds_of("2024-03-01T00:00:00Z"));
  EXPECT_EQ(microseconds_of("1970-01-01T00:00:00.1234567Z"), 123456);
}

TEST(Rfc3339, refuses_everything_else) {
  for (const char* text :
       {"", "2027-01-31", "2027-01-31T12:30:15", "2027-01-31 12:30:15Z", "2027-02-29T00:00:00Z",
        "2027-13-01T00:00:00Z", "2027-00-01T00:00:00Z", "2027-01-01T24:00:00Z",
        "2027-01-01T00:60:00Z", "2027-01-01T00:00:61Z", "2027-01-01T00:00:00.Z",
        "2027-01-01T00:00:00+2:00", "2027-01-01T00:00:00+24:00", "2027-01-01T00:00:00Zx",
        "27-01-01T00:00:00Z", "2027-1-1T00:00:00Z", "2027-01-01T00:00:00+", "never"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::config
