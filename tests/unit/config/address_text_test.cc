#include <sluice/config/address_text.h>

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(AddressText, a_range_is_read_and_written_alike) {
  for (const char* text :
       {"10.0.0.0/8", "192.0.2.7", "0.0.0.0/0", "fd00::/8", "2001:db8::1", "::/0"}) {
    const auto range = read_address_range(text);
    ASSERT_TRUE(range) << text;
    EXPECT_EQ(to_text(*range), text);
  }
}

TEST(AddressText, what_is_no_range_is_refused) {
  for (const char* text :
       {"", "10.0.0.0/33", "10.0.0.1/8", "host", "10.0.0", "::ffff:10.0.0.1", "1/"}) {
    EXPECT_FALSE(read_address_range(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::config
