#include <sluice/config/address_text.h>

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(AddressText, ranges_are_written_as_they_are_read) {
  for (const char* const text : {"10.0.0.0/8", "10.0.0.7", "0.0.0.0/0", "192.168.1.128/25",
                                 "fd00::/8", "::/0", "::1", "2001:db8::1", "2001:db8:1::/48"}) {
    const auto range = read_address_range(text);
    ASSERT_TRUE(range) << text;
    EXPECT_EQ(address_range_text(*range), text);
    EXPECT_EQ(read_address_range(address_range_text(*range)), *range);
  }
}

TEST(AddressText, an_error_says_how_to_write_it) {
  for (const char* const text : {"", "x", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "::/129"}) {
    const auto range = read_address_range(text);
    ASSERT_FALSE(range) << text;
    EXPECT_NE(range.error().find("write it as 10.0.0.0/8"), std::string::npos) << range.error();
  }
}

}  // namespace
}  // namespace sluice::config
