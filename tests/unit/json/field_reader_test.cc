#include <sluice/json/field_reader.h>

#include <string>

#include <gtest/gtest.h>

namespace sluice::json {
namespace {

TEST(ReadUsage, knows_both_dialects) {
  FieldReader reader;
  const auto chat = reader.read_usage(
      R"({"prompt_tokens":11,"completion_tokens":22,"total_tokens":33,)"
      R"("prompt_tokens_details":{"audio_tokens":0,"cached_tokens":4},)"
      R"("completion_tokens_details":{"reasoning_tokens":5,"accepted_prediction_tokens":0}})");
  ASSERT_TRUE(chat.has_value());
  EXPECT_EQ(chat->input, 11u);
  EXPECT_EQ(chat->output, 22u);
  EXPECT_EQ(chat->cached, 4u);
  EXPECT_EQ(chat->reasoning, 5u);
  const auto responses = reader.read_usage(
      R"({"input_tokens":1,"input_tokens_details":{"cached_tokens":2},"output_tokens":3,)"
      R"("output_tokens_details":{"reasoning_tokens":4},"total_tokens":4})");
  ASSERT_TRUE(responses.has_value());
  EXPECT_EQ(responses->input, 1u);
  EXPECT_EQ(responses->output, 3u);
  EXPECT_EQ(responses->cached, 2u);
  EXPECT_EQ(responses->reasoning, 4u);
}

TEST(ReadUsage, what_is_missing_null_or_no_count_is_absent_and_not_zero) {
  FieldReader reader;
  const auto usage = reader.read_usage(
      R"({"prompt_tokens":0,"completion_tokens":null,"prompt_tokens_details":null,)"
      R"("completion_tokens_details":{"reasoning_tokens":-1}})");
  ASSERT_TRUE(usage.has_value());
  EXPECT_EQ(usage->input, 0u);
  EXPECT_EQ(usage->output, std::nullopt);
  EXPECT_EQ(usage->cached, std::nullopt);
  EXPECT_EQ(usage->reasoning, std::nullopt);
  EXPECT_TRUE(reader.read_usage("{}")->is_empty());
  for (const char* text : {"", "[]", "1", "{", R"({"prompt_tokens":1}x)", R"({"prompt_tokens":01})"}) {
    EXPECT_FALSE(reader.read_usage(text).has_value()) << text;
  }
}

TEST(ReadEvent, tells_the_usage_event_from_the_others) {
  FieldReader reader;
  const auto last = reader.read_event(R"({"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}})");
  ASSERT_TRUE(last.has_value());
  EXPECT_TRUE(last->has_choices && last->choices_empty && last->has_usage);
  EXPECT_EQ(last->usage.output, 2u);
  const auto content = reader.read_event(
      R"({"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null})");
  ASSERT_TRUE(content.has_value());
  EXPECT_TRUE(content->has_choices);
  EXPECT_FALSE(content->choices_empty || content->has_usage || content->has_finish_reason ||
               content->has_error);
  EXPECT_TRUE(reader.read_event(R"({"choices":[{"delta":{},"finish_reason":"stop"}]})")->has_finish_reason);
  EXPECT_TRUE(reader.read_event(R"({"error":{"message":"x"}})")->has_error);
  EXPECT_FALSE(reader.read_event(R"({"error":null})")->has_error);
}

TEST(ReadEvent, looks_into_the_response_of_a_responses_event) {
  FieldReader reader;
  const auto event = reader.read_event(
      R"({"type":"response.completed","response":{"error":null,"output":[{"usage":{"input_tokens":9}}],)"
      R"("usage":{"input_tokens":1,"output_tokens":2}}})");
  ASSERT_TRUE(event.has_value());
  EXPECT_TRUE(event->has_usage);
  EXPECT_FALSE(event->has_error);
  EXPECT_EQ(event->usage.input, 1u);
}

TEST(ReadEvent, is_bounded) {
  FieldReader reader;
  const auto padded_to = [](size_t size) {
    std::string text = R"({"error":1,"x":")";
    text.append(size - text.size() - 2, 'x');
    return text + "\"}";
  };
  EXPECT_TRUE(reader.read_event(padded_to(FieldReader::kTextBytesMax)).has_value());
  EXPECT_FALSE(reader.read_event(padded_to(FieldReader::kTextBytesMax + 1)).has_value());
  EXPECT_FALSE(reader.read_event("{\"x\":" + std::string(200, '[') + std::string(200, ']') + "}").has_value());
}

}  // namespace
}  // namespace sluice::json
