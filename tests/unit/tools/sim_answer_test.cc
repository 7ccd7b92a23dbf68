// How answers read: in one piece, and event by event.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <sluice/http/sse.h>

#include "../../support/strict_json.h"
#include "event_script.h"
#include "json_walk.h"
#include "small_answers.h"

namespace sluice::sim {
namespace {

const Tape& tape() {
  static const Tape made(1);
  return made;
}

std::string unquoted(std::string_view value) { return std::string(string_body(value)); }

struct Stream {
  std::vector<std::string> payloads;  // Of each event, without "data: ".
  std::string text;                   // All content put together.
  std::vector<uint64_t> tokens;       // What the pacer was asked for each event.
};

std::string_view first_choice(std::string_view payload) {
  JsonWalk choices(find_member(payload, "choices"));
  return choices.next() ? choices.value() : std::string_view();
}

Stream stream(const Generation& generation, const Shape& shape) {
  Stream out;
  EventScript script(generation, shape);
  while (!script.at_end()) {
    out.tokens.push_back(script.token());
    std::string event;
    script.render_next(event, shape.stamp ? std::optional<uint64_t>(42) : std::nullopt);
    const http::DataLines data = http::data_of(event);
    EXPECT_EQ(data.lines, 1u) << event;
    out.payloads.emplace_back(data.first);
    EXPECT_TRUE(data.first == "[DONE]" || support::is_strict_json(data.first, 64)) << event;
    out.text += unquoted(find_member(find_member(first_choice(data.first), "delta"), "content"));
    out.text += unquoted(find_member(first_choice(data.first), "text"));
    out.text += unquoted(find_member(data.first, "delta"));
  }
  return out;
}

BodyFields chat_fields() {
  BodyFields fields;
  fields.model = "m";
  fields.stream = true;
  fields.input = R"([{"role":"user","content":"hi"}])";
  return fields;
}

Shape shape_of(std::string_view text) {
  Shape shape;
  EXPECT_TRUE(shape.set_all(text)) << text;
  return shape;
}

Stream stream_chat(const BodyFields& fields, const Shape& shape) {
  return stream(generate(Api::kChat, fields, shape, tape(), {1, 2}), shape);
}

TEST(Text, pieces_put_together_are_the_whole) {
  for (const uint32_t token_bytes : {0u, 1u, 700u}) {
    const Text text = Text::generated(tape(), 5000, token_bytes);
    std::string pieces, whole;
    for (uint64_t i = 0; i < text.count(); ++i) pieces += text.piece(i);
    text.append_all(whole);
    EXPECT_EQ(pieces, whole);
    EXPECT_EQ(text.count(), 5000u);
    if (token_bytes > 0) {
      EXPECT_EQ(whole.size(), 5000u * token_bytes);
    }
    EXPECT_TRUE(support::is_strict_json('"' + whole + '"', 2));
  }
}

TEST(Text, no_cut_goes_through_a_character) {
  const std::string escaped = R"(a\u00e9\ud83d\ude00\n\"\\é€😀\ud83dx)";
  for (uint32_t bytes = 1; bytes < 14; ++bytes) {
    const Text text = Text::cut(escaped, bytes, UINT64_MAX);
    std::string whole;
    for (uint64_t i = 0; i < text.count(); ++i) {
      EXPECT_TRUE(support::is_strict_json('"' + std::string(text.piece(i)) + '"', 2) ||
                  text.piece(i).find("\\ud83dx") != std::string_view::npos)
          << text.piece(i);
      whole += text.piece(i);
    }
    EXPECT_EQ(whole, escaped);
  }
}

TEST(Text, the_limit_keeps_a_beginning) {
  const Text text = Text::cut("abcdef", 2, 2);
  std::string whole;
  text.append_all(whole);
  EXPECT_EQ(whole, "abcd");
  EXPECT_EQ(text.count(), 2u);
  EXPECT_EQ(Text::cut("", 2, 2).count(), 0u);
}

TEST(Answer, a_chat_in_one_piece_says_what_its_stream_says) {
  const BodyFields fields = chat_fields();
  const Shape shape = shape_of("tokens=30");
  const Generation generation = generate(Api::kChat, fields, shape, tape(), {1, 2});
  std::string answer;
  render_answer(answer, generation);
  ASSERT_TRUE(support::is_strict_json(answer, 64));
  const std::string_view message = find_member(first_choice(answer), "message");
  EXPECT_EQ(unquoted(find_member(message, "content")), stream_chat(fields, shape).text);
  EXPECT_EQ(find_member(find_member(answer, "usage"), "completion_tokens"), "30");
  EXPECT_EQ(find_member(find_member(answer, "usage"), "total_tokens"), "39");
}

TEST(Answer, every_api_answers_with_valid_json) {
  BodyFields fields = chat_fields();
  fields.choices = 3;
  fields.model = "a \"quoted\" name";
  for (const Api api : {Api::kChat, Api::kCompletions, Api::kResponses}) {
    for (const char* setting : {"tokens=3", "tokens=0", "tokens=3&fault=no-usage"}) {
      std::string answer;
      render_answer(answer, generate(api, fields, shape_of(setting), tape(), {1, 2}));
      EXPECT_TRUE(support::is_strict_json(answer, 64)) << answer;
    }
  }
}

TEST(Answer, max_tokens_cuts_the_answer_and_says_so) {
  BodyFields fields = chat_fields();
  fields.tokens_max = 5;
  std::string answer;
  render_answer(answer, generate(Api::kChat, fields, shape_of("tokens=9"), tape(), {1, 2}));
  EXPECT_EQ(find_member(first_choice(answer), "finish_reason"), "\"length\"");
  EXPECT_EQ(find_member(find_member(answer, "usage"), "completion_tokens"), "5");
}

TEST(Answer, fixed_answers_are_the_same_whenever_they_are_made) {
  const Shape shape = shape_of("fixed=1");
  std::string first, second;
  render_answer(first, generate(Api::kChat, chat_fields(), shape, tape(), {1, 2}));
  render_answer(second, generate(Api::kChat, chat_fields(), shape, tape(), {77, 88}));
  EXPECT_EQ(first, second);
}

TEST(Answer, an_echo_keeps_the_content_as_it_was_escaped) {
  BodyFields fields = chat_fields();
  fields.model = "sim-echo";
  fields.last_content = R"(gr\u00fc\u00df 😀 \"x\")";
  EXPECT_EQ(stream_chat(fields, shape_of("token-bytes=1")).text, fields.last_content);
}

TEST(Answer, embeddings_are_the_same_for_the_same_text) {
  BodyFields fields = chat_fields();
  fields.dimensions = 3;
  fields.input = R"(["a","b","a"])";
  std::string answer;
  render_embeddings(answer, fields, true);
  ASSERT_TRUE(support::is_strict_json(answer, 64)) << answer;
  std::vector<std::string> vectors;
  JsonWalk walk(find_member(answer, "data"));
  while (walk.next()) vectors.emplace_back(find_member(walk.value(), "embedding"));
  ASSERT_EQ(vectors.size(), 3u);
  EXPECT_EQ(vectors[0], vectors[2]);
  EXPECT_NE(vectors[0], vectors[1]);
}

TEST(Answer, embeddings_come_in_base64_where_asked_for) {
  BodyFields fields = chat_fields();
  fields.wants_base64 = true;
  for (const uint32_t dimensions : {1u, 2u, 3u}) {
    fields.dimensions = dimensions;
    fields.input = "[1,2,3]";
    std::string answer;
    render_embeddings(answer, fields, true);
    JsonWalk walk(find_member(answer, "data"));
    ASSERT_TRUE(walk.next());
    const std::string_view text = string_body(find_member(walk.value(), "embedding"));
    EXPECT_EQ(text.size(), (dimensions * 4 + 2) / 3 * 4) << answer;
    EXPECT_EQ(std::count(text.begin(), text.end(), '='),
              static_cast<ptrdiff_t>((3 - dimensions * 4 % 3) % 3));
    EXPECT_FALSE(walk.next());
  }
}

TEST(Events, a_chat_begins_with_its_role_and_ends_in_done) {
  const Stream chat = stream_chat(chat_fields(), shape_of("tokens=3"));
  ASSERT_EQ(chat.payloads.size(), 6u);
  EXPECT_EQ(find_member(find_member(first_choice(chat.payloads[0]), "delta"), "role"),
            "\"assistant\"");
  EXPECT_EQ(find_member(first_choice(chat.payloads[4]), "finish_reason"), "\"stop\"");
  EXPECT_EQ(chat.payloads[5], "[DONE]");
  EXPECT_EQ(chat.tokens, (std::vector<uint64_t>{0, 0, 1, 2, 2, 2}));
}

TEST(Events, usage_comes_alone_before_done_and_only_when_asked_for) {
  BodyFields fields = chat_fields();
  for (const std::string& payload : stream_chat(fields, shape_of("tokens=3")).payloads) {
    EXPECT_TRUE(find_member(payload, "usage").empty()) << payload;
  }
  fields.include_usage = true;
  const Stream chat = stream_chat(fields, shape_of("tokens=3"));
  ASSERT_EQ(chat.payloads.size(), 7u);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(find_member(chat.payloads[i], "usage"), "null") << i;
  EXPECT_EQ(find_member(chat.payloads[5], "choices"), "[]");
  EXPECT_EQ(find_member(find_member(chat.payloads[5], "usage"), "completion_tokens"), "3");
}

TEST(Events, usage_can_come_first_or_not_at_all) {
  BodyFields fields = chat_fields();
  fields.include_usage = true;
  const Stream first = stream_chat(fields, shape_of("tokens=3&fault=usage-first"));
  EXPECT_EQ(find_member(first.payloads[1], "choices"), "[]");
  const Stream none = stream_chat(fields, shape_of("tokens=3&fault=no-usage"));
  EXPECT_EQ(none.payloads.size(), 6u);
}

TEST(Events, a_tool_call_comes_in_deltas) {
  BodyFields fields = chat_fields();
  fields.tool_name = "weather";
  const Stream chat = stream_chat(fields, shape_of("token-bytes=3"));
  std::string arguments;
  for (const std::string& payload : chat.payloads) {
    JsonWalk calls(find_member(find_member(first_choice(payload), "delta"), "tool_calls"));
    if (!calls.next()) continue;
    arguments += unquoted(find_member(find_member(calls.value(), "function"), "arguments"));
  }
  EXPECT_EQ(arguments, R"({\"location\": \"Amsterdam\", \"unit\": \"celsius\"})");
  const std::string& finish = chat.payloads[chat.payloads.size() - 2];
  EXPECT_EQ(find_member(first_choice(finish), "finish_reason"), "\"tool_calls\"");
}

TEST(Events, a_response_counts_its_events_and_ends_in_completed) {
  const Shape shape = shape_of("tokens=4");
  const Stream response =
      stream(generate(Api::kResponses, chat_fields(), shape, tape(), {1, 2}), shape);
  for (size_t i = 0; i < response.payloads.size(); ++i) {
    EXPECT_EQ(find_member(response.payloads[i], "sequence_number"), std::to_string(i));
  }
  EXPECT_EQ(find_member(response.payloads.front(), "type"), "\"response.created\"");
  EXPECT_EQ(find_member(response.payloads.back(), "type"), "\"response.completed\"");
  const std::string_view usage =
      find_member(find_member(response.payloads.back(), "response"), "usage");
  EXPECT_EQ(find_member(usage, "output_tokens"), "4");
  std::string whole;
  Text::generated(tape(), 4, 0).append_all(whole);
  EXPECT_EQ(response.text, whole);
}

TEST(Events, an_error_event_takes_the_place_of_the_rest) {
  for (const uint64_t after : {0, 1, 2, 4}) {
    const Stream chat =
        stream_chat(chat_fields(), shape_of("tokens=3&fault=error-event:" + std::to_string(after)));
    ASSERT_EQ(chat.payloads.size(), after + 1) << after;
    EXPECT_FALSE(find_member(chat.payloads.back(), "error").empty()) << after;
  }
}

TEST(Events, choices_take_turns) {
  BodyFields fields = chat_fields();
  fields.choices = 2;
  const Stream chat = stream_chat(fields, shape_of("tokens=2"));
  EXPECT_EQ(chat.tokens, (std::vector<uint64_t>{0, 0, 0, 0, 1, 1, 1, 1, 1}));
  for (size_t i = 0; i + 1 < chat.payloads.size(); ++i) {
    EXPECT_EQ(find_member(first_choice(chat.payloads[i]), "index"), std::to_string(i % 2));
  }
}

TEST(Events, a_stamp_is_the_last_member) {
  const Stream chat = stream_chat(chat_fields(), shape_of("tokens=1&stamp=1"));
  EXPECT_TRUE(chat.payloads[0].ends_with(R"(,"t_ns":42})"));
  EXPECT_EQ(chat.payloads.back(), "[DONE]");
}

TEST(Events, a_big_event_has_its_bytes_in_one_line) {
  const Stream chat = stream_chat(chat_fields(), shape_of("tokens=1&fault=big-event:300000"));
  EXPECT_GT(chat.payloads[1].size(), 300'000u);
  EXPECT_LT(chat.payloads[1].size(), 300'400u);
}

TEST(Events, crlf_touches_the_line_ends_alone) {
  EXPECT_EQ(with_crlf("data: a\\n\n\n"), "data: a\\n\r\n\r\n");
}

}  // namespace
}  // namespace sluice::sim
