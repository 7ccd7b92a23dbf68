#include "fields.h"

#include <array>

#include <gtest/gtest.h>

namespace sluice::admin {
namespace {

constexpr std::string_view kColours[] = {"red", "green"};
constexpr std::array<Field, 2> kInner = {
    {{.name = "rpm", .kind = FieldKind::kNumber}, {.name = "model", .is_needed = true}}};
constexpr std::array<Field, 10> kFields = {{
    {.name = "name", .is_needed = true},
    {.name = "count", .kind = FieldKind::kInteger},
    {.name = "blocked", .kind = FieldKind::kBoolean},
    {.name = "expires", .kind = FieldKind::kTime},
    {.name = "for", .kind = FieldKind::kDuration},
    {.name = "tags", .kind = FieldKind::kTexts},
    {.name = "metadata", .kind = FieldKind::kObject},
    {.name = "inner", .kind = FieldKind::kRecord, .fields = kInner},
    {.name = "many", .kind = FieldKind::kRecords, .fields = kInner},
    {.name = "colour", .choices = kColours},
}};

std::string param_of(std::string_view body) {
  const auto read = read_body(kFields, body);
  if (read) return "fine";
  EXPECT_EQ(read.error().status, 400);
  EXPECT_FALSE(read.error().message.empty());
  return read.error().param;
}

TEST(Fields, a_good_body_is_let_through) {
  EXPECT_EQ(param_of(R"({"name":"a","count":3,"blocked":true,"expires":"2030-01-01T00:00:00Z",
      "for":"24h","tags":["x"],"metadata":{"any":[1]},"inner":{"model":"m","rpm":1.5},
      "many":[{"model":"m"}],"colour":"red"})"),
            "fine");
  EXPECT_EQ(param_of(R"({"name":"a","count":null,"inner":null,"many":null})"), "fine");
}

TEST(Fields, what_is_wrong_is_named_by_its_place) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "name"},
      {R"({"name":null})", "name"},
      {R"({"name":1})", "name"},
      {R"({"name":"a","count":-1})", "count"},
      {R"({"name":"a","count":1.5})", "count"},
      {R"({"name":"a","count":"1"})", "count"},
      {R"({"name":"a","blocked":"yes"})", "blocked"},
      {R"({"name":"a","expires":"tomorrow"})", "expires"},
      {R"({"name":"a","expires":5})", "expires"},
      {R"({"name":"a","for":"soon"})", "for"},
      {R"({"name":"a","tags":"x"})", "tags"},
      {R"({"name":"a","tags":[1]})", "tags"},
      {R"({"name":"a","metadata":[]})", "metadata"},
      {R"({"name":"a","inner":{"model":"m","rpm":"x"}})", "inner.rpm"},
      {R"({"name":"a","inner":{}})", "inner.model"},
      {R"({"name":"a","many":[{"model":"m"},{"model":"m","x":1}]})", "many[1].x"},
      {R"({"name":"a","many":[1]})", "many[0]"},
      {R"({"name":"a","colour":"blue"})", "colour"},
      {R"([])", ""},
      {R"({"name":"a")", ""},
      {R"({"name":"a","name":"b"})", ""},
      {R"({"name":"a"} {})", ""},
  };
  for (const auto& [body, param] : cases) EXPECT_EQ(param_of(body), param) << body;
}

TEST(Fields, a_misspelt_member_is_told_what_was_meant) {
  const auto read = read_body(kFields, R"({"name":"a","blokced":true})");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "`blokced` is not known here; did you mean `blocked`?");
}

TEST(Fields, a_query_is_read_by_the_kinds_of_its_fields) {
  const auto read = read_query(kFields, "name=a%20b+c&count=12&blocked=false&colour=");
  ASSERT_TRUE(read);
  EXPECT_EQ(text_of(*read, "name"), "a b c");
  EXPECT_EQ(integer_of(*read, "count"), 12);
  EXPECT_EQ(boolean_of(*read, "blocked"), false);
  EXPECT_EQ(member_of(*read, "colour"), nullptr);
  for (const char* query : {"name=a&other=1", "name=a&count=x", "name=a&count=-1", "name=a&name=b",
                            "name=a&blocked=maybe", "name=%", "count=1", "name=a&colour=blue"}) {
    EXPECT_FALSE(read_query(kFields, query)) << query;
  }
}

TEST(Fields, absent_and_null_members_are_empty) {
  const auto read = read_body({}, "");
  ASSERT_TRUE(read);
  EXPECT_EQ(text_of(*read, "a"), "");
  EXPECT_FALSE(integer_of(*read, "a"));
  EXPECT_FALSE(time_of(*read, "a"));
  EXPECT_TRUE(texts_of(*read, "a").empty());
}

}  // namespace
}  // namespace sluice::admin
