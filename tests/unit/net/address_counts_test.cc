#include <sluice/net/address_counts.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace sluice::net {
namespace {

Ipv6Bytes ipv4(uint8_t c, uint8_t d) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, c, d};
}

Ipv6Bytes ipv6(uint8_t site, uint8_t host) {
  return {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, site, 0, 0, 0, 0, 0, 0, 0, host};
}

TEST(AddressCounts, an_address_has_as_many_connections_as_it_may) {
  AddressCounts counts;
  std::vector<AddressPass> passes;
  for (int i = 0; i < 3; ++i) passes.push_back(counts.enter(ipv4(0, 1), 3));
  for (const AddressPass& pass : passes) EXPECT_TRUE(pass);
  EXPECT_FALSE(counts.enter(ipv4(0, 1), 3));
  EXPECT_TRUE(counts.enter(ipv4(0, 2), 3));
}

TEST(AddressCounts, a_pass_that_dies_makes_room_and_a_refusal_takes_none) {
  AddressCounts counts;
  AddressPass pass = counts.enter(ipv4(0, 1), 1);
  ASSERT_TRUE(pass);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(counts.enter(ipv4(0, 1), 1));
  AddressPass moved = std::move(pass);
  EXPECT_FALSE(counts.enter(ipv4(0, 1), 1));
  moved = {};
  EXPECT_TRUE(counts.enter(ipv4(0, 1), 1));
}

TEST(AddressCounts, an_ipv6_client_counts_with_its_network) {
  AddressCounts counts;
  const AddressPass first = counts.enter(ipv6(1, 1), 1);
  EXPECT_FALSE(counts.enter(ipv6(1, 2), 1));
  EXPECT_TRUE(counts.enter(ipv6(2, 1), 1));
}

TEST(AddressCounts, other_addresses_seldom_share_both_slots) {
  AddressCounts counts;
  std::vector<AddressPass> passes;
  for (uint32_t i = 0; i < 10'000; ++i) {
    passes.push_back(counts.enter(ipv4(static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)), 1));
  }
  const auto refused = std::ranges::count_if(passes, [](const auto& pass) { return !pass; });
  // One in fifty at the end, fewer before; all of them would mean that there is one row only.
  EXPECT_LT(refused, 200);
}

TEST(AddressCounts, shards_together_keep_the_limit) {
  AddressCounts counts;
  constexpr uint32_t kMost = 100;
  std::vector<std::vector<AddressPass>> passes(4);
  {
    std::vector<std::jthread> shards;
    for (auto& own : passes) {
      shards.emplace_back([&counts, &own] {
        for (int i = 0; i < 1'000; ++i) {
          AddressPass pass = counts.enter(ipv4(9, 9), kMost);
          if (pass) own.push_back(std::move(pass));
        }
      });
    }
  }
  size_t held = 0;
  for (const auto& own : passes) held += own.size();
  EXPECT_EQ(held, kMost);
}

TEST(AddressCounts, handshakes_come_at_once_and_then_at_their_rate) {
  AddressCounts counts;
  const MonoTime begin{seconds(1'000)};
  const auto count = [&](MonoTime now, int tries) {
    int let_in = 0;
    for (int i = 0; i < tries; ++i) let_in += counts.may_begin_handshake(ipv4(0, 1), 10, now);
    return let_in;
  };
  EXPECT_EQ(count(begin, 50), 10);
  EXPECT_EQ(count(begin + milliseconds(99), 50), 0);
  EXPECT_EQ(count(begin + milliseconds(100), 50), 1);
  EXPECT_EQ(count(begin + seconds(60), 50), 10);
  EXPECT_TRUE(counts.may_begin_handshake(ipv4(0, 2), 10, begin));
}

}  // namespace
}  // namespace sluice::net
