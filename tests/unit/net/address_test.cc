#include <sluice/net/address.h>

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

TEST(Address, numbers_are_read_and_shown) {
  EXPECT_EQ(parse_address("127.0.0.1", 80)->to_text(), "127.0.0.1:80");
  EXPECT_EQ(parse_address("::1", 80)->to_text(), "[::1]:80");
  EXPECT_FALSE(parse_address("localhost", 80).has_value());
}

TEST(Address, bytes_are_those_of_ipv6_with_ipv4_inside) {
  const Ipv6Bytes v4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 7};
  EXPECT_EQ(parse_address("192.0.2.7", 80)->ip(), v4);
  EXPECT_EQ(parse_address("::ffff:192.0.2.7", 80)->ip(), v4);
  const Ipv6Bytes v6{0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_EQ(parse_address("2001:db8::1", 80)->ip(), v6);
  EXPECT_EQ(unix_address("/run/x.sock")->ip(), std::nullopt);
  EXPECT_EQ(Address().ip(), std::nullopt);
}

TEST(Address, a_path_is_that_of_a_unix_socket) {
  const auto address = unix_address("/run/redis/redis.sock");
  ASSERT_TRUE(address.has_value());
  EXPECT_EQ(address->family(), AF_UNIX);
  EXPECT_EQ(address->to_text(), "/run/redis/redis.sock");
  EXPECT_EQ(address->port(), 0u);
  EXPECT_EQ(address->ip_class(), IpClass::kForbidden);
}

TEST(Address, a_path_must_be_absolute_and_fit) {
  EXPECT_FALSE(unix_address("run/redis.sock").has_value());
  EXPECT_FALSE(unix_address("").has_value());
  EXPECT_FALSE(unix_address(std::string("/a\0b", 4)).has_value());
  EXPECT_TRUE(unix_address("/" + std::string(106, 'x')).has_value());
  EXPECT_FALSE(unix_address("/" + std::string(107, 'x')).has_value());
}

}  // namespace
}  // namespace sluice::net
