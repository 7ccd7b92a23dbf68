#include "slot_map.h"

#include <gtest/gtest.h>

namespace sluice::store {
namespace {

using Kind = RedisReply::Kind;

RedisReply number(int64_t value) {
  return {.kind = Kind::kInteger, .integer = value, .text = {}, .items = {}};
}
RedisReply text(std::string value) {
  return {.kind = Kind::kText, .integer = 0, .text = std::move(value), .items = {}};
}
RedisReply list(std::vector<RedisReply> items) {
  return {.kind = Kind::kList, .integer = 0, .text = {}, .items = std::move(items)};
}
RedisReply node(std::string host, int64_t port) {
  return list({text(std::move(host)), number(port), text("id"), list({})});
}

const RedisEndpoint kAsked{.host = "10.0.0.9", .port = 7000};

TEST(SlotMap, slots_are_those_of_the_specification) {
  EXPECT_EQ(slot_of("123456789"), 0x31c3 % kSlotCount);
  EXPECT_EQ(slot_of(""), 0u);
  EXPECT_EQ(slot_of("foo"), 12182u);
  EXPECT_EQ(slot_of("{user1000}.following"), slot_of("user1000"));
  EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
  EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
  EXPECT_EQ(slot_of("foo{}{bar}"), 8363u);  // Of the whole key.
  EXPECT_NE(slot_of("foo{bar"), slot_of("bar"));
  EXPECT_NE(slot_of("}bar{"), slot_of("bar"));
}

TEST(SlotMap, an_answer_is_read) {
  const auto map = read_slot_map(
      list({list({number(0), number(8191), node("10.0.0.1", 7001), node("10.0.0.2", 7001)}),
            list({number(8192), number(16382), node("", 7002)}),
            list({number(16383), number(16383), node("10.0.0.1", 7001)})}),
      kAsked);
  ASSERT_TRUE(map.has_value());
  EXPECT_TRUE(map->is_complete());
  EXPECT_EQ(map->masters.size(), 2u);
  EXPECT_EQ(*map->owner_of(8191), (RedisEndpoint{.host = "10.0.0.1", .port = 7001}));
  EXPECT_EQ(*map->owner_of(8192), (RedisEndpoint{.host = "10.0.0.9", .port = 7002}));
  EXPECT_EQ(*map->owner_of(16383), *map->owner_of(0));
}

TEST(SlotMap, a_hole_is_no_complete_map) {
  const auto map =
      read_slot_map(list({list({number(1), number(16383), node("10.0.0.1", 7001)})}), kAsked);
  ASSERT_TRUE(map.has_value());
  EXPECT_FALSE(map->is_complete());
  EXPECT_EQ(map->owner_of(0), nullptr);
}

TEST(SlotMap, nonsense_is_refused) {
  const auto is_refused = [](RedisReply reply) { return !read_slot_map(reply, kAsked); };
  EXPECT_TRUE(is_refused(text("slots")));
  EXPECT_TRUE(is_refused(list({number(1)})));
  EXPECT_TRUE(is_refused(list({list({number(0), number(1)})})));
  EXPECT_TRUE(is_refused(list({list({number(-1), number(1), node("a", 1)})})));
  EXPECT_TRUE(is_refused(list({list({number(2), number(1), node("a", 1)})})));
  EXPECT_TRUE(is_refused(list({list({number(0), number(16384), node("a", 1)})})));
  EXPECT_TRUE(is_refused(list({list({number(0), number(1), node("a", 0)})})));
  EXPECT_TRUE(is_refused(list({list({number(0), number(1), node("a", 65536)})})));
  EXPECT_TRUE(is_refused(list({list({number(0), number(1), node("a b", 1)})})));
  EXPECT_TRUE(is_refused(list({list({number(0), number(1), node("/tmp/x", 1)})})));
  EXPECT_TRUE(is_refused(list({list({number(0), number(1), text("a:1")})})));
}

TEST(SlotMap, nodes_are_bounded) {
  std::vector<RedisReply> ranges;
  for (uint32_t i = 0; i <= RedisClient::kNodesMost; ++i) {
    ranges.push_back(list({number(i), number(i), node("n", 1000 + i)}));
  }
  EXPECT_FALSE(read_slot_map(list(ranges), kAsked).has_value());
  ranges.pop_back();
  auto map = read_slot_map(list(ranges), kAsked);
  ASSERT_TRUE(map.has_value());
  map->move(0, {.host = "one-more", .port = 1});
  EXPECT_EQ(map->owner_of(0)->host, "n");
  map->move(0, {.host = "n", .port = 1001});
  EXPECT_EQ(map->owner_of(0)->port, 1001);
}

TEST(SlotMap, redirections_are_read) {
  const auto moved = read_redirection("MOVED 3999 10.0.0.1:6381", kAsked);
  ASSERT_TRUE(moved.has_value());
  EXPECT_EQ(moved->slot, 3999u);
  EXPECT_EQ(moved->target, (RedisEndpoint{.host = "10.0.0.1", .port = 6381}));
  EXPECT_EQ(read_redirection("ASK 0 :6381", kAsked)->target.host, "10.0.0.9");
  EXPECT_EQ(read_redirection("ASK 0 ::1:6381", kAsked)->target.host, "::1");
  for (const char* wrong :
       {"MOVED", "MOVED 1", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED x a:1", "MOVED 1 a",
        "MOVED 1 a:0", "MOVED 1 a:70000", "MOVED 1 a:1 b", "MOVED 1 /tmp/x:1"}) {
    EXPECT_FALSE(read_redirection(wrong, kAsked).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace sluice::store
