#include <sluice/usage/first_content.h>

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <sluice/json/field_reader.h>
#include <sluice/usage/token_tap.h>

#include "array_room.h"
#include "data_event.h"

namespace sluice::usage {
namespace {

bool has_content(std::string_view stream) {
  ArrayRoom room;
  FirstContent first(room);
  first.on_span(stream);
  return first.has_content();
}

TEST(FirstContent, is_what_the_model_said) {
  for (const std::string_view payload :
       {R"({"choices":[{"index":0,"delta":{"content":"a"}}]})",
        R"({"choices":[{"delta":{"role":"assistant","content":"a"}}]})",
        R"({"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}]})",
        R"({"choices":[{"delta":{"role":"assistant","reasoning":"hm"}}]})",
        R"({"choices":[{"delta":{"refusal":"no"}}]})",
        R"({"choices":[{"delta":{"role":"assistant","tool_calls":[{"index":0}]}}]})",
        R"({"choices":[{"index":0,"text":"a"}]})",
        R"({"type":"response.output_text.delta","delta":"a"})",
        R"({"type":"response.reasoning_summary_text.delta","delta":"a"})"}) {
    EXPECT_TRUE(has_content(event(payload))) << payload;
  }
}

TEST(FirstContent, is_no_role_no_end_and_no_error) {
  for (const std::string_view payload :
       {R"({"choices":[{"index":0,"delta":{"role":"assistant"}}]})",
        R"({"choices":[{"delta":{"role":"assistant","content":""}}]})",
        R"({"choices":[{"delta":{"role":"assistant","content":null,"refusal":null}}]})",
        R"({"choices":[{"delta":{},"finish_reason":"stop"}]})", R"({"choices":[]})",
        R"({"choices":[{"index":0,"text":""}]})",
        R"({"type":"response.created","response":{"text":{"delta":"x"}}})",
        R"({"type":"error","message":"x"})", R"({"error":{"message":"x"}})", "[DONE]", ""}) {
    EXPECT_FALSE(has_content(event(payload))) << payload;
  }
  EXPECT_FALSE(has_content(": ping\n\n\n\n"));
  EXPECT_FALSE(has_content(R"(data: {"choices":[{"delta":{"content":"a"}}]})"));
}

// Seeds are printed by the trace; cuts and line ends vary with them.
TEST(FirstContent, comes_with_the_last_byte_of_its_event_at_every_cut_and_as_the_tap_says) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::string head = ": hello\r\n\r\n" +
                       event(R"({"choices":[{"delta":{"role":"assistant"}}]})") +
                       event(R"({"choices":[{"delta":{"content":""}}]})");
    std::string first = event(R"({"choices":[{"delta":{"content":"one \u00e9"}}]})");
    if (seed % 2 == 0) {
      for (std::string* text : {&head, &first}) {
        for (size_t at = 0; (at = text->find('\n', at)) != std::string::npos; at += 2) {
          if (at == 0 || (*text)[at - 1] != '\r') text->replace(at, 1, "\r\n");
        }
      }
    }
    const std::string stream = head + first + event("[DONE]");
    ArrayRoom room, event_room, object_room;
    FirstContent content(room);
    json::FieldReader reader;
    TokenTap tap(reader, BodyKind::kEventStream, event_room, object_room);
    // An event whose lines end in CRLF ends with the CR of its blank line.
    const size_t needed = head.size() + first.size() - (seed % 2 == 0 ? 1 : 0);
    for (size_t at = 0; at < stream.size();) {
      const size_t length = 1 + random() % (seed % 3 == 0 ? 200 : 9);
      const std::string_view span = std::string_view(stream).substr(at, length);
      content.on_span(span);
      tap.on_span(span);
      at += span.size();
      EXPECT_EQ(content.has_content(), at >= needed) << at;
      EXPECT_EQ(content.has_content(), tap.has_content()) << at;
    }
    EXPECT_FALSE(room.is_lent);
  }
}

TEST(FirstContent, is_assumed_where_no_memory_is_left_to_tell) {
  ArrayRoom room;
  room.refuses = true;
  FirstContent first(room);
  const std::string role = event(R"({"choices":[{"delta":{"role":"assistant"}}]})");
  first.on_span(role.substr(0, 10));
  EXPECT_FALSE(first.has_content());
  first.on_span(role.substr(10));
  EXPECT_TRUE(first.has_content());
}

}  // namespace
}  // namespace sluice::usage
