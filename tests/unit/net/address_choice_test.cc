#include <sluice/net/address_choice.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::net {
namespace {

std::vector<Address> addresses(std::initializer_list<const char*> hosts) {
  std::vector<Address> made;
  for (const char* host : hosts) made.push_back(*parse_address(host, 80));
  return made;
}

// The hosts in the order in which they are tried, or the error.
std::string choice(std::initializer_list<const char*> hosts, bool private_addresses = false,
                   uint32_t turn = 0) {
  const Result<AddressList> chosen = choose_addresses(addresses(hosts), private_addresses, turn);
  if (!chosen) return std::string(chosen.error().detail);
  std::string text;
  for (uint32_t i = 0; i < chosen->count; ++i) {
    const std::string one = chosen->entries[i].to_text();
    text += (i == 0 ? "" : " ") + one.substr(0, one.size() - 3);
  }
  return text;
}

TEST(AddressChoice, families_alternate_and_that_of_the_first_leads) {
  EXPECT_EQ(choice({"1.0.0.1", "1.0.0.2", "2a00::1", "2a00::2"}),
            "1.0.0.1 [2a00::1] 1.0.0.2 [2a00::2]");
  EXPECT_EQ(choice({"2a00::1", "2a00::2", "1.0.0.1"}), "[2a00::1] 1.0.0.1 [2a00::2]");
  EXPECT_EQ(choice({"1.0.0.1", "1.0.0.2", "1.0.0.3", "2a00::1"}),
            "1.0.0.1 [2a00::1] 1.0.0.2 1.0.0.3");
}

TEST(AddressChoice, turns_rotate_within_a_family) {
  EXPECT_EQ(choice({"1.0.0.1", "1.0.0.2", "1.0.0.3"}, false, 1), "1.0.0.2 1.0.0.3 1.0.0.1");
  EXPECT_EQ(choice({"1.0.0.1", "1.0.0.2", "1.0.0.3"}, false, UINT32_MAX),
            "1.0.0.1 1.0.0.2 1.0.0.3");
  EXPECT_EQ(choice({"1.0.0.1", "2a00::1", "1.0.0.2"}, false, 1), "1.0.0.2 [2a00::1] 1.0.0.1");
}

TEST(AddressChoice, of_many_all_come_first_in_some_turn) {
  std::vector<Address> many;
  for (int i = 1; i <= 20; ++i) {
    many.push_back(*parse_address("1.0.0." + std::to_string(i), 80));
  }
  std::vector<std::string> firsts;
  for (uint32_t turn = 0; turn < 20; ++turn) {
    const Result<AddressList> chosen = choose_addresses(many, false, turn);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->count, AddressList::kMost);
    firsts.push_back(chosen->entries[0].to_text());
  }
  for (uint32_t i = 0; i < 20; ++i) EXPECT_EQ(firsts[i], many[i].to_text());
}

TEST(AddressChoice, more_than_are_looked_at_do_no_harm) {
  const std::vector<Address> many(1000, *parse_address("1.0.0.1", 80));
  EXPECT_EQ(choose_addresses(many, false, 999)->count, AddressList::kMost);
}

TEST(AddressChoice, d61_what_may_not_be_dialled_is_skipped) {
  EXPECT_EQ(choice({"10.0.0.1", "1.0.0.1", "127.0.0.1", "fe80::1", "2a00::1"}),
            "1.0.0.1 [2a00::1]");
  EXPECT_EQ(choice({"10.0.0.1", "1.0.0.1", "::1", "fe80::1"}, true), "10.0.0.1 [::1] 1.0.0.1");
  EXPECT_EQ(choice({"::ffff:10.0.0.1", "1.0.0.1"}), "1.0.0.1");
}

TEST(AddressChoice, d61_none_left_is_our_own_refusal_and_none_known_is_not) {
  EXPECT_EQ(choice({"10.0.0.1", "169.254.169.254"}), "address not allowed");
  EXPECT_EQ(choice({"169.254.169.254"}, true), "address not allowed");
  EXPECT_EQ(choice({}), "name not resolved");
  const std::vector<Address> known = addresses({"10.0.0.1"});
  EXPECT_EQ(choose_addresses(known, false, 0).error().side, Side::kSelf);
  EXPECT_EQ(choose_addresses({}, false, 0).error().side, Side::kUpstream);
}

}  // namespace
}  // namespace sluice::net
