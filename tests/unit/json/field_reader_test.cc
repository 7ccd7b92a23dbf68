#include <sluice/json/field_reader.h>

#include <sluice/json/choice_fields.h>

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
  for (const char* text :
       {"", "[]", "1", "{", R"({"prompt_tokens":1}x)", R"({"prompt_tokens":01})"}) {
    EXPECT_FALSE(reader.read_usage(text).has_value()) << text;
  }
}

TEST(ReadEvent, tells_the_usage_event_from_the_others) {
  FieldReader reader;
  const auto last = reader.read_event(
      R"({"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}})");
  ASSERT_TRUE(last.has_value());
  EXPECT_TRUE(last->has_choices && last->choices_empty && last->has_usage);
  EXPECT_EQ(last->usage.output, 2u);
  const auto content = reader.read_event(
      R"({"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null})");
  ASSERT_TRUE(content.has_value());
  EXPECT_TRUE(content->has_choices);
  EXPECT_FALSE(content->choices_empty || content->has_usage || content->has_finish_reason ||
               content->has_error);
  EXPECT_TRUE(
      reader.read_event(R"({"choices":[{"delta":{},"finish_reason":"stop"}]})")->has_finish_reason);
  EXPECT_TRUE(reader.read_event(R"({"error":{"message":"x"}})")->has_error);
  EXPECT_FALSE(reader.read_event(R"({"error":null})")->has_error);
}

TEST(ReadEvent, looks_into_the_response_of_a_responses_event) {
  FieldReader reader;
  const auto event = reader.read_event(R"({"type":"response.completed","response":{"error":null,)"
                                       R"("output":[{"usage":{"input_tokens":9}}],)"
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
  EXPECT_FALSE(reader.read_event("{\"x\":" + std::string(200, '[') + std::string(200, ']') + "}")
                   .has_value());
}

TEST(ReadChoices, finds_what_each_choice_says_and_where) {
  FieldReader reader;
  const std::string_view text =
      R"({"id":"x","choices":[{"index":1,"delta":{"role":"assistant","content":"a\n",)"
      R"("refusal":null,"reasoning":"r","tool_calls":[]},"logprobs":null,"finish_reason":null},)"
      R"({"text":"t","index":0,"finish_reason":"stop"}],"usage":null})";
  const auto event = reader.read_choices(text);
  ASSERT_TRUE(event.has_value());
  ASSERT_EQ(event->count, 2u);
  const auto at = [&](ByteRange range) { return text.substr(range.offset, range.length); };
  const auto said = [&](size_t choice, SaidKind kind) {
    return at(event->choices[choice].said[static_cast<size_t>(kind)]);
  };
  EXPECT_EQ(event->choices[0].index, 1u);
  EXPECT_EQ(at(event->choices[0].role), "assistant");
  EXPECT_EQ(said(0, SaidKind::kContent), R"(a\n)");
  EXPECT_EQ(said(0, SaidKind::kReasoning), "r");
  EXPECT_EQ(said(0, SaidKind::kRefusal), "");
  EXPECT_FALSE(event->choices[0].has_finish_reason);
  EXPECT_FALSE(event->choices[0].has_more);
  EXPECT_EQ(said(1, SaidKind::kContent), "t");
  EXPECT_TRUE(event->choices[1].has_finish_reason);
  EXPECT_FALSE(event->has_error);
}

TEST(ReadChoices, tells_what_it_does_not_know) {
  FieldReader reader;
  for (const std::string_view choice :
       {R"({"delta":{"tool_calls":[{"index":0}]}})", R"({"delta":{"audio":{"id":1}}})",
        R"({"delta":{"content":["a"]}})", R"({"delta":{"content":"a","content":"b"}})",
        R"({"delta":{"content":"a"},"logprobs":{"content":[]}})"}) {
    const auto event = reader.read_choices("{\"choices\":[" + std::string(choice) + "]}");
    ASSERT_TRUE(event.has_value()) << choice;
    EXPECT_TRUE(event->choices[0].has_more) << choice;
  }
  EXPECT_TRUE(reader.read_choices(R"({"error":{"message":"x"}})")->has_error);
  EXPECT_FALSE(reader.read_choices(R"({"choices":[1]})").has_value());
  EXPECT_FALSE(reader.read_choices(R"({"choices":[{"index":-1}]})").has_value());
  EXPECT_FALSE(reader.read_choices(R"({"choices":[{},{},{},{},{},{},{},{},{}]})").has_value());
  EXPECT_FALSE(reader.read_choices("[DONE]").has_value());
}

TEST(TakeCharacter, gives_the_bytes_of_a_text_however_it_is_spelled) {
  std::string_view raw = "a\\n\\\"\\/\\u00e9\xC3\xA9\\ud83d\\ude00\\ud83d";
  std::string text;
  std::array<char, 4> scratch;
  while (!raw.empty()) text += take_character(raw, scratch);
  EXPECT_EQ(text, "a\n\"/\xC3\xA9\xC3\xA9\xF0\x9F\x98\x80\xEF\xBF\xBD");
}

}  // namespace
}  // namespace sluice::json
