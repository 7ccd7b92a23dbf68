// What the simulated server reads of a body: the walk over JSON, and the fields.
#include "body_fields.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "json_walk.h"

namespace sluice::sim {
namespace {

std::vector<std::string> walk(std::string_view text) {
  std::vector<std::string> found;
  JsonWalk walk(text);
  while (walk.next()) found.push_back(std::string(walk.name()) + "=" + std::string(walk.value()));
  return found;
}

using Found = std::vector<std::string>;

TEST(JsonWalk, members_and_elements_are_visited_in_order) {
  EXPECT_EQ(walk(R"({"a":1,"b":"x","c":[1,{"d":2}],"e":{"f":"}"},"g":null})"),
            (Found{"a=1", "b=\"x\"", "c=[1,{\"d\":2}]", "e={\"f\":\"}\"}", "g=null"}));
  EXPECT_EQ(walk("[1, \"two\" ,[3],{}]"), (Found{"=1", "=\"two\"", "=[3]", "={}"}));
  EXPECT_EQ(walk(" {\n \"a\" :\t1 , \"b\" : [ ] } "), (Found{"a=1", "b=[ ]"}));
}

TEST(JsonWalk, escaped_quotes_end_no_string) {
  EXPECT_EQ(walk(R"({"a\"b":"c\\","d":"\\\"}"})"), (Found{R"(a\"b="c\\")", R"(d="\\\"}")"}));
}

TEST(JsonWalk, there_is_nothing_in_scalars_and_empty_containers) {
  for (const char* text : {"", " ", "1", "\"a\"", "{}", "[]", "[ ]", "null"}) {
    EXPECT_TRUE(walk(text).empty()) << text;
  }
}

TEST(JsonWalk, broken_text_ends_the_walk_at_every_cut) {
  const std::string whole = R"({"a":[1,{"b":"\"x"}],"c":{"d":[]},"e":"f"})";
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    const std::string text = whole.substr(0, cut);
    EXPECT_LE(walk(text).size(), 3u) << text;
  }
  for (const char* text : {"{,}", "{]", "[}", "{\"a\"}", "{\"a\":}", "{a:1}", "[,,]", "[1}"}) {
    EXPECT_LE(walk(text).size(), 2u) << text;
  }
}

class Body : public testing::Test {
 protected:
  std::expected<BodyFields, BodyFault> read(std::string_view text) {
    text_ = text;
    text_.reserve(text.size() + json::EnvelopeReader::kPadding);
    return read_body_fields(reader_, text_);
  }

  std::string text_;
  json::EnvelopeReader reader_;
};

TEST_F(Body, fields_of_a_chat_are_found) {
  const auto fields = read(R"({"model":"m","stream":true,"stream_options":{"include_usage":true},
      "max_tokens":7,"n":2,"messages":[{"role":"user","content":"one"},
      {"role":"user","content":"two"}],"response_format":{"type":"json_object"}})");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->model, "m");
  EXPECT_TRUE(fields->stream);
  EXPECT_TRUE(fields->include_usage);
  EXPECT_EQ(fields->tokens_max, 7u);
  EXPECT_EQ(fields->choices, 2u);
  EXPECT_EQ(fields->last_content, "two");
  EXPECT_TRUE(fields->wants_json);
  EXPECT_TRUE(fields->tool_name.empty());
}

TEST_F(Body, absent_fields_have_their_defaults) {
  const auto fields = read(R"({"model":"m"})");
  ASSERT_TRUE(fields);
  EXPECT_FALSE(fields->stream);
  EXPECT_FALSE(fields->include_usage);
  EXPECT_FALSE(fields->tokens_max);
  EXPECT_EQ(fields->choices, 1u);
  EXPECT_EQ(prompt_tokens(*fields), 1u);
}

TEST_F(Body, a_tool_is_called_only_when_asked_for) {
  const std::string tools =
      R"("tools":[{"type":"function","function":{"name":"first"}},
                  {"type":"function","function":{"name":"second"}}])";
  EXPECT_EQ(read(R"({"model":"m",)" + tools + "}")->tool_name, "");
  EXPECT_EQ(read(R"({"model":"m","tool_choice":"auto",)" + tools + "}")->tool_name, "");
  EXPECT_EQ(read(R"({"model":"sim-tools",)" + tools + "}")->tool_name, "first");
  EXPECT_EQ(read(R"({"tool_choice":"required","model":"m",)" + tools + "}")->tool_name, "first");
  EXPECT_EQ(read(R"({"model":"m","tool_choice":{"type":"function","function":{"name":"second"}},)" +
                 tools + "}")
                ->tool_name,
            "second");
}

TEST_F(Body, the_last_content_is_found_in_every_shape_of_input) {
  EXPECT_EQ(read(R"({"model":"m","prompt":"p"})")->last_content, "p");
  EXPECT_EQ(read(R"({"model":"m","input":["a","b"]})")->last_content, "b");
  EXPECT_EQ(read(R"({"model":"m","messages":[{"content":[{"type":"image_url","image_url":{}},
      {"type":"text","text":"t"}]}]})")
                ->last_content,
            "t");
  EXPECT_EQ(read(R"({"model":"m","messages":[{"content":null}]})")->last_content, "");
  EXPECT_EQ(read(R"({"model":"m","messages":7})")->last_content, "");
}

TEST_F(Body, garbage_is_refused) {
  for (const char* text :
       {"", "x", "{", "[]", "{}", R"({"model":1})", R"({"model":"a")", "{\"model\":\"\xff\"}"}) {
    EXPECT_FALSE(read(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::sim
