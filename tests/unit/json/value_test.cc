#include <sluice/json/value.h>

#include <gtest/gtest.h>

namespace sluice::json {
namespace {

std::string round_trip(std::string_view text) {
  const auto value = parse_value(text);
  if (!value) return std::string(value.error());
  std::string out;
  value->write(out);
  return out;
}

TEST(Value, what_was_read_is_written_again) {
  constexpr std::string_view kText =
      R"({"a":[1,-2,3.5,true,false,null,"x\ny"],"b":{},"c":18446744073709551615})";
  EXPECT_EQ(round_trip(kText), kText);
}

TEST(Value, a_scalar_is_a_whole_text) {
  EXPECT_EQ(round_trip(" 7 "), "7");
  EXPECT_EQ(round_trip("\"\""), "\"\"");
}

TEST(Value, what_is_no_json_is_refused) {
  for (const std::string_view text :
       {"", "{", "{\"a\":1}x", "nul", "[1,]", "{'a':1}", "\"\x01\""}) {
    EXPECT_FALSE(parse_value(text)) << text;
  }
  EXPECT_EQ(round_trip("\"\xff\""), "it is not UTF-8");
  EXPECT_EQ(parse_value(std::string_view()).error(), "it is empty");
}

TEST(Value, a_member_twice_is_refused_at_any_depth) {
  EXPECT_EQ(round_trip(R"({"a":1,"b":2,"a":3})"), "an object has a member twice");
  EXPECT_EQ(round_trip(R"([{"x":{"a":1,"\u0061":3}}])"), "an object has a member twice");
}

TEST(Value, bounds_hold) {
  EXPECT_EQ(parse_value("[[[[1]]]]", {.depth_max = 3}).error(), "it is nested too deeply");
  EXPECT_TRUE(parse_value("[[[1]]]", {.depth_max = 3}));
  EXPECT_EQ(parse_value("[1,2,3]", {.values_max = 3}).error(), "it has too many values");
  EXPECT_EQ(parse_value("[1,2,3]", {.bytes_max = 6}).error(), "it is too long");
}

TEST(Value, numbers_are_told_apart) {
  int64_t integer = 0;
  double real = 0;
  EXPECT_TRUE(parse_value("3.0")->as_integer(integer));
  EXPECT_EQ(integer, 3);
  EXPECT_FALSE(parse_value("3.5")->as_integer(integer));
  EXPECT_FALSE(parse_value("1e300")->as_integer(integer));
  EXPECT_FALSE(parse_value("18446744073709551615")->as_integer(integer));
  EXPECT_TRUE(parse_value("18446744073709551615")->as_number(real));
  EXPECT_FALSE(parse_value("\"3\"")->as_number(real));
}

TEST(Value, members_are_found_by_name) {
  const auto value = parse_value(R"({"a":{"b":"c"}})");
  ASSERT_TRUE(value && value->find("a") && value->find("a")->find("b"));
  EXPECT_EQ(*value->find("a")->find("b")->as_string(), "c");
  EXPECT_EQ(value->find("b"), nullptr);
  EXPECT_EQ(value->find("a")->find("b")->find("c"), nullptr);
  EXPECT_EQ(value->find("a")->kind_name(), "an object");
}

}  // namespace
}  // namespace sluice::json
