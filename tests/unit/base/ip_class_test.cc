#include <sluice/base/ip_class.h>

#include <gtest/gtest.h>

namespace sluice {
namespace {

struct Case {
  const char* text;
  IpClass expected;
};

void expect_all(std::initializer_list<Case> cases) {
  for (const auto& [text, expected] : cases) {
    const std::optional<IpClass> found = classify_text(text);
    ASSERT_TRUE(found) << text;
    EXPECT_EQ(static_cast<int>(*found), static_cast<int>(expected)) << text;
  }
}

TEST(IpClass, d56_ipv4_networks_end_where_the_registry_says) {
  expect_all({{"1.1.1.1", IpClass::kPublic},
              {"8.8.8.8", IpClass::kPublic},
              {"0.0.0.0", IpClass::kForbidden},
              {"0.255.255.255", IpClass::kForbidden},
              {"1.0.0.0", IpClass::kPublic},
              {"9.255.255.255", IpClass::kPublic},
              {"10.0.0.0", IpClass::kPrivate},
              {"10.255.255.255", IpClass::kPrivate},
              {"11.0.0.0", IpClass::kPublic},
              {"100.63.255.255", IpClass::kPublic},
              {"100.64.0.0", IpClass::kPrivate},
              {"100.127.255.255", IpClass::kPrivate},
              {"100.128.0.0", IpClass::kPublic},
              {"126.255.255.255", IpClass::kPublic},
              {"127.0.0.1", IpClass::kLoopback},
              {"127.255.255.255", IpClass::kLoopback},
              {"128.0.0.0", IpClass::kPublic},
              {"172.15.255.255", IpClass::kPublic},
              {"172.16.0.0", IpClass::kPrivate},
              {"172.31.255.255", IpClass::kPrivate},
              {"172.32.0.0", IpClass::kPublic},
              {"192.0.0.8", IpClass::kForbidden},
              {"192.0.1.1", IpClass::kPublic},
              {"192.0.2.1", IpClass::kForbidden},
              {"192.88.99.1", IpClass::kForbidden},
              {"192.167.255.255", IpClass::kPublic},
              {"192.168.0.0", IpClass::kPrivate},
              {"192.169.0.0", IpClass::kPublic},
              {"198.17.255.255", IpClass::kPublic},
              {"198.18.0.1", IpClass::kPrivate},
              {"198.19.255.255", IpClass::kPrivate},
              {"198.20.0.0", IpClass::kPublic},
              {"198.51.100.7", IpClass::kForbidden},
              {"203.0.113.7", IpClass::kForbidden},
              {"223.255.255.255", IpClass::kPublic},
              {"224.0.0.1", IpClass::kForbidden},
              {"239.255.255.255", IpClass::kForbidden},
              {"240.0.0.1", IpClass::kForbidden},
              {"255.255.255.255", IpClass::kForbidden}});
}

TEST(IpClass, d56_what_gives_credentials_away_is_forbidden) {
  expect_all({{"169.254.169.254", IpClass::kForbidden},
              {"169.254.170.2", IpClass::kForbidden},
              {"100.100.100.200", IpClass::kForbidden},
              {"168.63.129.16", IpClass::kForbidden},
              {"192.0.0.192", IpClass::kForbidden},
              {"fd00:ec2::254", IpClass::kForbidden},
              {"fd20:ce::254", IpClass::kForbidden},
              {"::ffff:169.254.169.254", IpClass::kForbidden},
              {"64:ff9b::169.254.169.254", IpClass::kForbidden}});
}

TEST(IpClass, d56_ipv6_networks) {
  expect_all({{"::", IpClass::kForbidden},          {"::1", IpClass::kLoopback},
              {"2606:4700::1", IpClass::kPublic},   {"2a00::", IpClass::kPublic},
              {"3ffe::1", IpClass::kPublic},        {"3fff:fff::1", IpClass::kForbidden},
              {"4000::", IpClass::kForbidden},      {"fc00::1", IpClass::kPrivate},
              {"fd12::1", IpClass::kPrivate},       {"fe00::1", IpClass::kForbidden},
              {"fe80::1", IpClass::kForbidden},     {"febf::1", IpClass::kForbidden},
              {"fec0::1", IpClass::kForbidden},     {"ff02::1", IpClass::kForbidden},
              {"2001::1", IpClass::kForbidden},     {"2001:1ff::1", IpClass::kForbidden},
              {"2001:200::1", IpClass::kPublic},    {"2001:db8::1", IpClass::kForbidden},
              {"100::1", IpClass::kForbidden},      {"5f00::1", IpClass::kForbidden},
              {"64:ff9b:1::1", IpClass::kForbidden}});
}

TEST(IpClass, d56_a_carried_ipv4_address_decides) {
  expect_all({{"::ffff:8.8.8.8", IpClass::kPublic},
              {"::ffff:127.0.0.1", IpClass::kLoopback},
              {"::ffff:10.1.2.3", IpClass::kPrivate},
              {"::ffff:0:10.1.2.3", IpClass::kPrivate},
              {"::10.1.2.3", IpClass::kPrivate},
              {"::127.0.0.1", IpClass::kLoopback},
              {"::2", IpClass::kForbidden},
              {"64:ff9b::8.8.8.8", IpClass::kPublic},
              {"64:ff9b::192.168.0.1", IpClass::kPrivate},
              {"2002:7f00:1::1", IpClass::kLoopback},
              {"2002:a9fe:a9fe::1", IpClass::kForbidden},
              {"2002:808:808::1", IpClass::kPublic}});
}

TEST(IpClass, d56_other_spellings_are_no_addresses) {
  for (const std::string_view text :
       {"localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "", "[::1]",
        "fe80::1%eth0", "::ffff:127.0.0.1:80", "1.1.1.1 ", "256.1.1.1"}) {
    EXPECT_FALSE(classify_text(text)) << text;
  }
  EXPECT_FALSE(classify_text(std::string_view("1.1.1.1\0x", 9)));
  EXPECT_FALSE(classify_text(std::string(100, '1')));
}

TEST(IpClass, d57_nothing_but_the_public_is_dialled_unless_allowed) {
  EXPECT_TRUE(may_dial(IpClass::kPublic, false));
  EXPECT_FALSE(may_dial(IpClass::kPrivate, false));
  EXPECT_FALSE(may_dial(IpClass::kLoopback, false));
  EXPECT_FALSE(may_dial(IpClass::kForbidden, false));
  EXPECT_TRUE(may_dial(IpClass::kPublic, true));
  EXPECT_TRUE(may_dial(IpClass::kPrivate, true));
  EXPECT_TRUE(may_dial(IpClass::kLoopback, true));
  EXPECT_FALSE(may_dial(IpClass::kForbidden, true));
}

}  // namespace
}  // namespace sluice
