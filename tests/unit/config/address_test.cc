#include "address.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(ListenAddress, takes_numeric_addresses_with_a_port) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:8080"), (ListenAddress{"127.0.0.1", 8080}));
  EXPECT_EQ(parse_listen_address("0.0.0.0:0"), (ListenAddress{"0.0.0.0", 0}));
  EXPECT_EQ(parse_listen_address("[::1]:65535"), (ListenAddress{"::1", 65535}));
}

TEST(ListenAddress, refuses_everything_else) {
  for (const char* text : {"", "8080", ":8080", "localhost:8080", "127.0.0.1", "127.0.0.1:",
                           "127.0.0.1:65536", "127.0.0.1:+1", "127.0.0.1: 80", "127.1:80", "::1:80",
                           "[127.0.0.1]:80", "[::1]", "[::1%lo]:80", "[]:80", "127.0.0.01:80"}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
  EXPECT_FALSE(parse_listen_address(std::string_view("127.0.0.1\0x:80", 14)));
}

TEST(ListenAddress, d002_loopback_is_the_whole_block) {
  for (const char* host : {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE((ListenAddress{host, 1}.is_loopback())) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "128.0.0.1", "10.0.0.1", "::2", "fe80::1", "", "x"}) {
    EXPECT_FALSE((ListenAddress{host, 1}.is_loopback())) << host;
  }
}

}  // namespace
}  // namespace sluice::config
