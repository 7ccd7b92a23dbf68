#include <sluice/usage/usage_filter.h>

#include <string>

#include <gtest/gtest.h>

#include "data_event.h"

namespace sluice::usage {
namespace {

class UsageFilterTest : public ::testing::Test {
 protected:
  json::FieldReader reader_;
  using Look = http::EventFilter::Look;
  PlainEvents plain_;
  UsageFilter filter_{reader_, plain_};
};

TEST_F(UsageFilterTest, d021_drops_the_event_with_usage_and_no_choices) {
  for (const std::string& text :
       {event(R"({"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}})"),
        event(R"({"usage" : { } , "choices" : [ ]})"),
        std::string("id: 7\r\nevent: "
                    "message\r\ndata:{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\r\n\r\n"),
        std::string(
            "data: {\"choices\":[],\ndata: \"usage\":\ndata: {\"prompt_tokens\":1}}\n\n")}) {
    EXPECT_EQ(filter_.look_at(text).kind, Look::kAsk) << text;
    EXPECT_FALSE(filter_.keeps(text)) << text;
  }
}

TEST_F(UsageFilterTest, d021_keeps_everything_else) {
  for (const std::string& text :
       {event(R"({"choices":[{"delta":{"content":"a"}}],"usage":null})"),
        event(R"({"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}})"),
        event(R"({"choices":[],"usage":null})"),
        event(R"({"choices":[],"prompt_filter_results":[]})"),
        event(R"({"choices":[],"usage":{"prompt_tokens":1},"error":{"message":"x"}})"),
        event(R"({"usage":{"prompt_tokens":1}})"), event(R"({"choices":{},"usage":{}})"),
        event(R"({"choices":[{"delta":{"content":"\"choices\":[],\"usage\":{}"}}]})"),
        event(R"({"x":{"choices":[],"usage":{}}})"), event(R"({"choices":[],"usage":{})"),
        event("[DONE]"), std::string(": \"usage\":{ comment\n\n"), std::string("\n"),
        event(R"({"choices":[],"usage":{"x":")" + std::string(70'000, 'x') + "\"}}")}) {
    EXPECT_TRUE(filter_.keeps(text)) << text.substr(0, 100);
  }
}

TEST_F(UsageFilterTest, looks_closely_only_where_a_usage_may_be) {
  EXPECT_EQ(filter_.look_at("").kind, Look::kKeepsAll);
  EXPECT_EQ(filter_.look_at(event(R"({"choices":[],"usage":null})")).kind, Look::kKeepsAll);
  EXPECT_EQ(filter_.look_at(event(R"({"a":"usage","b":"\"usage\":{}"})")).kind, Look::kKeepsAll);
  EXPECT_EQ(filter_.look_at(event(R"({"usage":null})") + event(R"({"usage":{}})")).kind,
            Look::kAsk);
}

TEST_F(UsageFilterTest, knows_whole_plain_events_and_asks_behind_them) {
  const std::string plain = event(R"({"choices":[{"delta":{"content":"b c"}}]})");
  const std::string usage = event(R"({"choices":[],"usage":{"prompt_tokens":1}})");
  EXPECT_EQ(filter_.look_at(plain).kind, Look::kAllPlain);
  EXPECT_EQ(filter_.look_at(plain + plain).plain_events, 2u);
  EXPECT_EQ(filter_.look_at(plain + event("[DONE]")).kind, Look::kKeepsAll);
  EXPECT_EQ(filter_.look_at(plain + plain.substr(0, 20)).kind, Look::kKeepsAll);
  EXPECT_EQ(filter_.look_at(plain + usage).kind, Look::kAsk);
  EXPECT_EQ(filter_.look_at(plain.substr(6)).kind, Look::kKeepsAll);
}

}  // namespace
}  // namespace sluice::usage
