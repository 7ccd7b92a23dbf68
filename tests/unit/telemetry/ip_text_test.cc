#include <sluice/telemetry/ip_text.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sluice::telemetry {
namespace {

std::string shown(const char* text) {
  Ipv6Bytes bytes{};
  EXPECT_EQ(inet_pton(AF_INET6, text, bytes.data()), 1) << text;
  return std::string(ip_text(bytes).view());
}

// RFC 5952, section 4 and 5.
TEST(IpText, one_address_has_one_spelling) {
  const char* table[][2] = {
      {"::ffff:192.0.2.7", "192.0.2.7"},
      {"::FFFF:0.0.0.0", "0.0.0.0"},
      {"::ffff:255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
      {"2001:DB8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"1:0:2:3:4:5:6:0", "1:0:2:3:4:5:6:0"},
      {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}};
  for (const auto& [text, expected] : table) EXPECT_EQ(shown(text), expected);
}

TEST(IpText, every_address_is_read_back_as_itself) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    Ipv6Bytes bytes{};
    for (size_t at = 0; at < bytes.size(); at += 2) {
      if (random() % 2 == 0) continue;
      bytes[at] = static_cast<uint8_t>(random() % 3 == 0 ? random() : 0);
      bytes[at + 1] = static_cast<uint8_t>(random());
    }
    const std::string text(ip_text(bytes).view());
    Ipv6Bytes back{};
    const bool is_ipv4 = text.find(':') == std::string::npos;
    ASSERT_EQ(inet_pton(AF_INET6, (is_ipv4 ? "::ffff:" + text : text).c_str(), back.data()), 1)
        << text;
    EXPECT_EQ(back, bytes) << text;
  }
}

}  // namespace
}  // namespace sluice::telemetry
