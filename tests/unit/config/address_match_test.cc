#include <sluice/config/address_match.h>

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(AddressMatch, only_the_bits_of_the_range_count) {
  const Ipv6Bytes prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 0x80, 0};
  Ipv6Bytes near = prefix;
  near[14] = 0xFF;
  Ipv6Bytes far = prefix;
  far[14] = 0x7F;
  const AddressRange range{prefix, 96 + 17};
  EXPECT_TRUE(contains(range, prefix));
  EXPECT_TRUE(contains(range, near));
  EXPECT_FALSE(contains(range, far));
  EXPECT_TRUE(contains(AddressRange{prefix, 128}, prefix));
  EXPECT_FALSE(contains(AddressRange{prefix, 128}, near));
  EXPECT_TRUE(contains(AddressRange{prefix, 112}, far));
  EXPECT_TRUE(contains(AddressRange{{}, 0}, far));
  const AddressRange both[] = {AddressRange{far, 128}, range};
  EXPECT_TRUE(contains(both, near));
  EXPECT_FALSE(contains(std::span<const AddressRange>{}, near));
}

}  // namespace
}  // namespace sluice::config
