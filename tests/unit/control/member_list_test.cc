#include <sluice/control/member_list.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using config::Member;

TEST(MemberList, reads_addresses_and_objects) {
  const auto members = read_member_list(
      R"(["a:80", "b", "[::1]:81", "fe80::1",
          {"host": "c", "port": 82, "weight": 3, "zone": "x"}])");
  ASSERT_TRUE(members) << members.error();
  const std::vector<Member> expected = {
      {"a", 80, 1}, {"b", 0, 1}, {"::1", 81, 1}, {"fe80::1", 0, 1}, {"c", 82, 3}};
  EXPECT_EQ(*members, expected);
}

TEST(MemberList, an_empty_list_is_valid_and_yaml_is_read_too) {
  EXPECT_EQ(read_member_list("[]").value().size(), 0U);
  EXPECT_EQ(read_member_list("- a:80\n- host: b\n").value().size(), 2U);
}

TEST(MemberList, one_faulty_item_makes_the_list_faulty) {
  for (const char* text :
       {"", "{}", "a", "[\"a:80\"", R"(["a:80", "b:0"])", R"(["a:65536"])", R"(["a:"])",
        R"([":80"])", R"(["[::1"])", R"(["[::1]80"])", R"([{"port": 80}])",
        R"([{"host": "a", "port": -1}])", R"([{"host": "a", "weight": 1001}])",
        R"([{"host": ["a"]}])", R"([["a"]])"}) {
    EXPECT_FALSE(read_member_list(text)) << text;
  }
}

TEST(MemberList, a_list_above_the_bound_is_refused) {
  std::string text = "[\"a\"]";
  text.resize(kMemberListBytesMax, ' ');
  EXPECT_TRUE(read_member_list(text));
  text += ' ';
  EXPECT_FALSE(read_member_list(text));
}

TEST(MemberList, answers_that_mean_the_same_servers_become_equal) {
  std::vector<Member> one = {{"b", 1, 1}, {"a", 2, 1}, {"a", 1, 5}, {"a", 1, 2}};
  std::vector<Member> other = {{"a", 1, 2}, {"a", 2, 1}, {"b", 1, 1}, {"b", 1, 1}};
  put_in_order(one);
  put_in_order(other);
  EXPECT_EQ(one, other);
  EXPECT_EQ(one.size(), 3U);
}

TEST(MemberList, a_group_is_bounded) {
  std::vector<Member> members;
  for (size_t port = 1; port <= config::kGroupMembersMax + 1; ++port) {
    members.push_back({"a", static_cast<uint16_t>(port), 1});
  }
  put_in_order(members);
  EXPECT_EQ(members.size(), config::kGroupMembersMax);
  EXPECT_EQ(members.back().port, config::kGroupMembersMax);
}

}  // namespace
}  // namespace sluice::control
