#include <sluice/usage/usage_finder.h>

#include <string>

#include <gtest/gtest.h>

#include "array_room.h"

namespace sluice::usage {
namespace {

class UsageFinderTest : public ::testing::Test {
 protected:
  std::optional<json::UsageFields> find(std::string_view body, size_t span_bytes = 1 << 20) {
    room_.give_back();  // A finder before may have ended with it.
    UsageFinder finder(reader_, room_);
    for (size_t at = 0; at < body.size(); at += span_bytes) {
      // A copy of its own, because a span is dead after the call.
      const std::string span(body.substr(at, span_bytes));
      finder.feed(span);
    }
    return finder.found();
  }
  json::FieldReader reader_;
  ArrayRoom room_;
};

const std::string kAnswer =
    R"({"id":"x","choices":[{"message":{"content":"the \"usage\": {\"prompt_tokens\":1} of it"}}],)"
    R"("usage" : {"prompt_tokens":11,"completion_tokens":22,"x":{"y":["}",{"z":"\"}"}]},)"
    R"("prompt_tokens_details":{"cached_tokens":3}},"service_tier":"default"})";

TEST_F(UsageFinderTest, d135_finds_a_usage_split_across_reads_at_any_byte) {
  for (size_t span_bytes = 1; span_bytes <= kAnswer.size(); ++span_bytes) {
    const auto usage = find(kAnswer, span_bytes);
    ASSERT_TRUE(usage.has_value()) << span_bytes;
    EXPECT_EQ(usage->input, 11u);
    EXPECT_EQ(usage->output, 22u);
    EXPECT_EQ(usage->cached, 3u);
  }
  for (size_t cut = 0; cut <= kAnswer.size(); ++cut) {
    UsageFinder finder(reader_, room_);
    finder.feed(std::string_view(kAnswer).substr(0, cut));
    finder.feed({});
    finder.feed(std::string_view(kAnswer).substr(cut));
    ASSERT_TRUE(finder.found().has_value()) << cut;
    EXPECT_EQ(finder.found()->output, 22u);
  }
}

TEST_F(UsageFinderTest, another_body_behind_one_that_was_cut_anywhere_is_read) {
  for (size_t cut = 0; cut <= kAnswer.size(); ++cut) {
    UsageFinder finder(reader_, room_);
    finder.feed(std::string_view(kAnswer).substr(0, cut));
    finder.begin_body();
    EXPECT_TRUE(finder.is_idle());
    finder.feed(R"({"usage":{"prompt_tokens":5,"completion_tokens":6}})");
    ASSERT_TRUE(finder.found().has_value()) << cut;
    EXPECT_EQ(finder.found()->output, 6u) << cut;
  }
}

TEST_F(UsageFinderTest, what_is_no_usage_object_is_not_taken_for_one) {
  for (const char* body :
       {"", "{}", R"({"usage":null})", R"({"usage":[]})", R"({"usage":7})", R"("usage")",
        R"(["usage",{"a":1}])", R"({"usage":{}})", R"({"usage":{"type":"object"}})",
        R"({"usage":{"prompt_tokens":1)", R"({"text":"\"usage\":{\"prompt_tokens\":1}"})",
        R"({"usagee":{"prompt_tokens":1}})", R"({"usage":{"prompt_tokens":"1"}})",
        R"({"usage":{"prompt_tokens":-1}})"}) {
    for (const size_t span_bytes : {1u, 3u, 1000u}) EXPECT_FALSE(find(body, span_bytes)) << body;
  }
}

TEST_F(UsageFinderTest, the_last_usage_wins) {
  const std::string first = R"({"usage":{"prompt_tokens":1,"completion_tokens":1}})";
  const std::string second = R"({"usage":{"prompt_tokens":1,"completion_tokens":9}})";
  EXPECT_EQ(find(first + second)->output, 9u);
  EXPECT_EQ(find(second + R"({"usage":null}{"usage":{}})")->output, 9u);
}

TEST_F(UsageFinderTest, an_object_above_the_bound_is_passed_over_and_the_next_found) {
  const std::string large = R"({"usage":{"prompt_tokens":5,"x":")" +
                            std::string(UsageFinder::kObjectBytesMax, 'x') + "\"}}";
  EXPECT_FALSE(find(large).has_value());
  for (const size_t span_bytes : {100u, 5000u}) {
    EXPECT_EQ(find(large + R"({"usage":{"prompt_tokens":6}})", span_bytes)->input, 6u);
  }
}

TEST_F(UsageFinderTest, reads_an_object_over_several_data_lines) {
  EXPECT_EQ(
      find(
          "data: {\"usage\": {\ndata: \"prompt_tokens\": 3,\r\ndata:\"completion_tokens\":4 }}\n\n")
          ->output,
      4u);
}

TEST_F(UsageFinderTest, agrees_with_a_search_of_the_whole_on_keys_that_almost_begin) {
  for (const char* before :
       {"\"", "\"u", "\"\"", "\"usage", "\"usa\"usag", "\"usage\"", "usage\""}) {
    const std::string body = std::string(before) + R"("usage":{"prompt_tokens":4}})";
    const auto whole = find(body);
    for (size_t span_bytes = 1; span_bytes <= body.size(); ++span_bytes) {
      EXPECT_EQ(find(body, span_bytes).has_value(), whole.has_value()) << before << span_bytes;
    }
  }
}

TEST_F(UsageFinderTest, borrows_memory_only_while_an_object_is_cut) {
  UsageFinder finder(reader_, room_);
  finder.feed(kAnswer);
  EXPECT_EQ(room_.loans, 0u);
  const size_t inside = kAnswer.find("22");
  finder.feed(std::string_view(kAnswer).substr(0, inside));
  EXPECT_TRUE(room_.is_lent);
  finder.feed(std::string_view(kAnswer).substr(inside));
  EXPECT_FALSE(room_.is_lent);
  finder.feed(R"({"usage":{"x":")" + std::string(UsageFinder::kObjectBytesMax, 'x'));
  EXPECT_FALSE(room_.is_lent);
  EXPECT_FALSE(finder.has_lost());
}

TEST_F(UsageFinderTest, without_memory_a_cut_object_is_lost_and_a_whole_one_is_not) {
  room_.refuses = true;
  UsageFinder finder(reader_, room_);
  finder.feed(kAnswer.substr(0, kAnswer.find("22")));
  finder.feed(kAnswer.substr(kAnswer.find("22")));
  EXPECT_FALSE(finder.found().has_value());
  EXPECT_TRUE(finder.has_lost());
  finder.feed(kAnswer);
  EXPECT_EQ(finder.found()->output, 22u);
}

}  // namespace
}  // namespace sluice::usage
