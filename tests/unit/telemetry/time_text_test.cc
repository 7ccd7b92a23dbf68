#include <sluice/telemetry/time_text.h>

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace sluice::telemetry {
namespace {

std::string text(int64_t unix_us) {
  std::array<char, kTimeTextBytes> out;
  const char* end = write_time(out.data(), WallTime{unix_us});
  EXPECT_EQ(end, out.data() + out.size());
  return {out.data(), out.size()};
}

TEST(WriteTime, knows_the_calendar) {
  EXPECT_EQ(text(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(text(951'782'400'000'001), "2000-02-29T00:00:00.000001Z");
  EXPECT_EQ(text(1'735'689'599'999'999), "2024-12-31T23:59:59.999999Z");
  EXPECT_EQ(text(1'763'648'700'123'456), "2025-11-20T14:25:00.123456Z");
}

TEST(WriteTime, stays_within_its_length_for_any_clock) {
  EXPECT_EQ(text(INT64_MIN), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(text(INT64_MAX), "9999-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace sluice::telemetry
