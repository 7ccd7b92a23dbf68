#include <sluice/usage/token_tap.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../../support/counted_new.h"
#include "array_room.h"
#include "data_event.h"

namespace sluice::usage {
namespace {

std::string delta(const std::string& inside) {
  return event(R"({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":)" +
               inside + R"(,"finish_reason":null}],"usage":null})");
}
const std::string kRole = delta(R"({"role":"assistant","content":""})");
const std::string kStop = event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
const std::string kUsage =
    event(R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,)"
          R"("completion_tokens_details":{"reasoning_tokens":1}}})");
const std::string kDone = event("[DONE]");

class TokenTapTest : public ::testing::Test {
 protected:
  // Spans may be empty, so one without a block behind it comes first.
  TokenTap tap_of(const std::string& body, size_t span_bytes = 1 << 20, bool ends = true,
                  BodyKind kind = BodyKind::kEventStream) {
    event_room_.give_back();  // A tap before may have ended with it.
    object_room_.give_back();
    TokenTap tap(reader_, kind, event_room_, object_room_);
    tap.on_span({});
    for (size_t at = 0; at < body.size(); at += span_bytes) {
      const std::string span = body.substr(at, span_bytes);
      tap.on_span(span);
    }
    if (ends) tap.on_end();
    return tap;
  }
  uint64_t counted(const std::string& body) { return tap_of(body).content_events(); }
  json::FieldReader reader_;
  ArrayRoom event_room_;
  ArrayRoom object_room_;
};

TEST_F(TokenTapTest, d135_reads_a_whole_stream_in_any_cuts_and_line_ends) {
  for (const std::string line_end : {"\n", "\r\n", "\r"}) {
    std::string body = ": hello" + line_end + line_end;
    for (const std::string& part : {kRole, delta(R"({"content":"a"})"),
                                    delta(R"({"content":"b\n"})"), kStop, kUsage, kDone}) {
      body += part.substr(0, part.size() - 2) + line_end + line_end;
    }
    for (size_t span_bytes = 1; span_bytes <= body.size(); ++span_bytes) {
      const TokenTap tap = tap_of(body, span_bytes);
      const Usage usage = tap.usage();
      ASSERT_EQ(usage.source, UsageSource::kReported) << span_bytes;
      EXPECT_EQ(usage.input, 7u);
      EXPECT_EQ(usage.output, 3u);
      EXPECT_EQ(usage.reasoning, 1u);
      EXPECT_EQ(usage.cached, std::nullopt);
      EXPECT_FALSE(usage.partial);
      ASSERT_EQ(tap.content_events(), 2u) << span_bytes;
      EXPECT_TRUE(tap.is_done() && tap.has_finished());
      EXPECT_FALSE(tap.has_error());
    }
  }
}

TEST_F(TokenTapTest, d135_takes_the_usage_from_whichever_event_has_it) {
  const std::string beside =
      event(R"({"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],)"
            R"("usage":{"prompt_tokens":7,"completion_tokens":3}})");
  EXPECT_EQ(tap_of(kUsage + kRole + delta(R"({"content":"a"})") + kStop + kDone).usage().output,
            3u);
  EXPECT_EQ(tap_of(kRole + beside + kDone).usage().output, 3u);
  EXPECT_EQ(tap_of(kRole + beside + delta("{}") + kDone).usage().source, UsageSource::kReported);
  EXPECT_EQ(tap_of(kRole + kStop + kUsage).usage().output, 3u);
}

TEST_F(TokenTapTest, d135_a_stream_without_usage_is_counted_and_flagged) {
  const std::string body = kRole + delta(R"({"content":"a"})") + delta(R"({"content":"b"})");
  const Usage whole = tap_of(body + kStop + kDone).usage();
  EXPECT_EQ(whole.source, UsageSource::kCounted);
  EXPECT_EQ(whole.output, 2u);
  EXPECT_EQ(whole.input, std::nullopt);
  EXPECT_FALSE(whole.partial);
  const Usage cut =
      tap_of(body + delta(R"({"content":"c"})").substr(0, 40), 1 << 20, false).usage();
  EXPECT_EQ(cut.source, UsageSource::kCounted);
  EXPECT_EQ(cut.output, 2u);
  EXPECT_TRUE(cut.partial);
}

TEST_F(TokenTapTest, unknown_is_not_zero) {
  for (const std::string& body :
       {std::string(), kRole, kRole + kStop + kDone, event(R"({"error":{"message":"x"}})")}) {
    const Usage usage = tap_of(body).usage();
    EXPECT_EQ(usage.source, UsageSource::kUnknown) << body;
    EXPECT_EQ(usage.input, std::nullopt);
    EXPECT_EQ(usage.output, std::nullopt);
  }
  const Usage reported =
      tap_of(event(R"({"choices":[],"usage":{"completion_tokens":0}})") + kDone).usage();
  EXPECT_EQ(reported.output, 0u);
  EXPECT_EQ(reported.input, std::nullopt);
}

TEST_F(TokenTapTest, counts_events_with_content_alone) {
  for (const char* content :
       {R"({"content":"a"})", R"({"role":"assistant","content":"a"})", R"({"content": "\""})",
        R"({"reasoning_content":"hm"})", R"({"content":null,"reasoning":"hm"})",
        R"({"refusal":"no"})",
        R"({"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"t",)"
        R"("type":"function","function":{"name":"f","arguments":""}}]})",
        R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"error\":"}}]})",
        R"({"audio":{"data":"x"}})"}) {
    EXPECT_EQ(counted(delta(content)), 1u) << content;
  }
  for (const char* none :
       {"{}", "{ }", R"({"role":"assistant"})", R"({"role":"assistant","content":""})",
        R"({"content":""})", R"({"content":null})", "null"}) {
    EXPECT_EQ(counted(delta(none)), 0u) << none;
  }
  EXPECT_EQ(counted(event(R"({"object":"text_completion","choices":[{"text":"a","index":0}]})")),
            1u);
  EXPECT_EQ(counted(event(
                R"({"object":"text_completion","choices":[{"text":"","finish_reason":"stop"}]})")),
            0u);
  EXPECT_EQ(counted(kUsage + kDone + ": comment\n\n" + "event: ping\n\n" + "\n\n"), 0u);
}

TEST_F(TokenTapTest, reads_the_dialect_of_responses) {
  const std::string created =
      "event: response.created\n" +
      event(R"({"type":"response.created","response":{"error":null,"tools":[{)"
            R"("parameters":{"properties":)"
            R"({"error":{"type":"string"},"usage":{"type":"object"},)"
            R"("delta":{"type":"string"}}}}],"usage":null}})");
  const std::string text =
      event(R"({"type":"response.output_text.delta","item_id":"m","delta":"Hi"})");
  const std::string arguments =
      event(R"({"type":"response.function_call_arguments.delta","delta":"{"})");
  const std::string done = event(R"({"type":"response.output_text.done","text":"Hi"})");
  const std::string completed = event(
      R"({"type":"response.completed","response":{"output":[{"text":")" + std::string(5000, 'x') +
      R"("}],"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":1},)"
      R"("output_tokens":2,"output_tokens_details":{"reasoning_tokens":0}},"metadata":{}}})");
  const std::string body = created + text + arguments + done + completed;
  for (const size_t span_bytes : {1u, 7u, 1000u, 100'000u}) {
    const TokenTap tap = tap_of(body, span_bytes);
    EXPECT_EQ(tap.content_events(), 2u);
    EXPECT_TRUE(tap.has_finished());
    EXPECT_FALSE(tap.has_error());
    const Usage usage = tap.usage();
    EXPECT_EQ(usage.source, UsageSource::kReported);
    EXPECT_EQ(usage.input, 5u);
    EXPECT_EQ(usage.cached, 1u);
    EXPECT_EQ(usage.output, 2u);
    EXPECT_FALSE(usage.partial);
  }
  EXPECT_TRUE(
      tap_of(event(R"({"type":"response.failed","response":{"error":{"code":"x"}}})")).has_error());
}

TEST_F(TokenTapTest, d103_notes_an_error_event_and_flags_the_usage) {
  const std::string body = kRole + delta(R"({"content":"a"})");
  for (const char* payload :
       {R"({"error":{"message":"x"}})", R"({"error": "x"})", R"({"type":"error","message":"x"})",
        R"({"error":{"code":502},"choices":[{"delta":{},"finish_reason":"error"}]})"}) {
    const TokenTap tap = tap_of(body + event(payload));
    EXPECT_TRUE(tap.has_error()) << payload;
    EXPECT_TRUE(tap.usage().partial);
    EXPECT_EQ(tap.usage().output, 1u);
  }
  EXPECT_FALSE(
      tap_of(event(R"({"error":null,"choices":[]})") + delta(R"({"content":"\"error\":{}"})"))
          .has_error());
}

TEST_F(TokenTapTest, finds_a_finish_reason_in_any_choice) {
  EXPECT_TRUE(tap_of(event(R"({"choices":[{"delta":{},"finish_reason":null},)"
                           R"({"delta":{},"finish_reason" : "length"}]})"))
                  .has_finished());
  EXPECT_FALSE(tap_of(delta(R"({"content":"\"finish_reason\":\"stop\""})")).has_finished());
}

TEST_F(TokenTapTest, reads_json_answers_and_flags_cut_ones) {
  const std::string body = R"({"choices":[{"message":{"content":"data: x\n\n"}}],)"
                           R"("usage":{"prompt_tokens":1,"completion_tokens":2}})";
  for (const size_t span_bytes : {1u, 5u, 1000u}) {
    const Usage usage = tap_of(body, span_bytes, true, BodyKind::kJson).usage();
    EXPECT_EQ(usage.source, UsageSource::kReported);
    EXPECT_EQ(usage.output, 2u);
    EXPECT_FALSE(usage.partial);
  }
  const Usage cut = tap_of(body.substr(0, 60), 1000, false, BodyKind::kJson).usage();
  EXPECT_EQ(cut.source, UsageSource::kUnknown);
  EXPECT_TRUE(cut.partial);
}

TEST_F(TokenTapTest,
       d023_a_stream_that_is_said_once_more_is_read_whole_wherever_the_first_was_cut) {
  const std::string body =
      kRole + delta(R"({"content":"a"})") + delta(R"({"content":"b"})") + kStop + kUsage + kDone;
  for (size_t cut = 0; cut < body.size(); ++cut) {
    for (const size_t span_bytes : {size_t{7}, body.size()}) {
      TokenTap tap = tap_of(body.substr(0, cut), span_bytes, false);
      tap.resume(ResumeMode::kRetry);
      for (size_t at = 0; at < body.size(); at += span_bytes) {
        const std::string span = body.substr(at, span_bytes);
        tap.on_span(span);
      }
      tap.on_end();
      const Usage usage = tap.usage();
      ASSERT_EQ(usage.source, UsageSource::kReported) << cut;
      ASSERT_EQ(usage.input, 7u) << cut;
      ASSERT_EQ(usage.output, 3u) << cut;
      ASSERT_FALSE(usage.partial) << cut;
      ASSERT_EQ(tap.content_events(), 2u) << cut;
    }
  }
}

TEST_F(TokenTapTest, d023_the_stream_that_came_furthest_tells_what_a_repeated_answer_used) {
  const std::string three =
      delta(R"({"content":"a"})") + delta(R"({"content":"b"})") + delta(R"({"content":"c"})");
  TokenTap tap = tap_of(three, 1 << 20, false);
  tap.resume(ResumeMode::kRetry);
  const std::string one = delta(R"({"content":"a"})");
  tap.on_span(one);
  EXPECT_EQ(tap.usage().output, 3u);
  EXPECT_EQ(tap.stream_usage().output, 1u);
  EXPECT_EQ(tap.content_events(), 3u);
  tap.resume(ResumeMode::kRetry);
  const std::string four = three + delta(R"({"content":"d"})") + kStop;
  tap.on_span(four);
  EXPECT_EQ(tap.usage().source, UsageSource::kCounted);
  EXPECT_EQ(tap.usage().output, 4u);
  EXPECT_FALSE(tap.usage().partial);
}

TEST_F(TokenTapTest, d023_a_stream_that_is_continued_adds_up) {
  const std::string begun = kRole + delta(R"({"content":"a"})") + delta(R"({"content":"b"})");
  const std::string rest = delta(R"({"content":"c"})") + kStop + kUsage + kDone;
  TokenTap tap = tap_of(begun, 1 << 20, false);
  tap.resume(ResumeMode::kAppend);
  tap.on_span(rest);
  // The first one did not say, and the prompt of the second one is not the client's.
  EXPECT_EQ(tap.usage().source, UsageSource::kCounted);
  EXPECT_EQ(tap.usage().output, 5u);
  EXPECT_FALSE(tap.usage().input.has_value());
  EXPECT_FALSE(tap.usage().partial);
  EXPECT_EQ(tap.stream_usage().input, 7u);
  EXPECT_EQ(tap.content_events(), 3u);

  TokenTap both = tap_of(begun + kUsage, 1 << 20, false);
  EXPECT_TRUE(both.usage().partial);
  both.resume(ResumeMode::kAppend);
  both.on_span(rest);
  EXPECT_EQ(both.usage().source, UsageSource::kReported);
  EXPECT_EQ(both.usage().input, 7u);
  EXPECT_EQ(both.usage().output, 6u);
  EXPECT_EQ(both.usage().reasoning, 2u);
}

TEST_F(TokenTapTest, d020_a_long_stream_costs_no_allocation) {
  const std::string body =
      kRole + delta(R"({"content":")" + std::string(3000, 'a') + "\"}") + kUsage;
  TokenTap tap(reader_, BodyKind::kEventStream, event_room_, object_room_);
  const uint64_t before = support::allocations;
  for (int round = 0; round < 1000; ++round) {
    for (size_t at = 0; at < body.size(); at += 777) {
      tap.on_span(std::string_view(body).substr(at, 777));
    }
  }
  EXPECT_EQ(support::allocations, before);
  EXPECT_EQ(tap.content_events(), 1000u);
}

TEST_F(TokenTapTest, d020_whole_events_and_idle_streams_hold_no_memory) {
  static_assert(sizeof(TokenTap) <= 800);
  TokenTap tap(reader_, BodyKind::kEventStream, event_room_, object_room_);
  const std::string body = kRole + delta(R"({"content":"a"})") + kUsage + kDone;
  tap.on_span(body);
  EXPECT_EQ(event_room_.loans, 0u);
  EXPECT_EQ(object_room_.loans, 0u);
  const size_t inside = kUsage.find("completion_tokens");
  tap.on_span(kUsage.substr(0, inside));
  EXPECT_TRUE(event_room_.is_lent && object_room_.is_lent);
  tap.on_span(kUsage.substr(inside));
  EXPECT_FALSE(event_room_.is_lent || object_room_.is_lent);
}

TEST_F(TokenTapTest, without_memory_a_cut_event_is_not_judged_and_the_usage_is_partial) {
  event_room_.refuses = true;
  const std::string first = delta(R"({"content":"a"})");
  TokenTap tap(reader_, BodyKind::kEventStream, event_room_, object_room_);
  tap.on_span(kRole + first.substr(0, 40));
  tap.on_span(first.substr(40) + first + kStop + kDone);
  tap.on_end();
  EXPECT_EQ(tap.content_events(), 1u);
  EXPECT_TRUE(tap.is_done() && tap.has_finished());
  EXPECT_TRUE(tap.usage().partial);
}

// The one pass and the searches of a cut event must see the same.
TEST_F(TokenTapTest, judges_odd_events_alike_whole_and_cut) {
  const std::string plain = delta(R"({"content":"a"})");
  const std::string odd[] = {
      "\n\n\n",
      ": comment\n\n",
      "event: x\n" + plain,
      "data:" + plain.substr(6),
      "id: \"delta\":{\"content\":\"a\"}\n\n",
      "data: \t" + plain.substr(6),
      event(R"({"delta" : {"content":"a"}})"),
      event(R"({"delta","delta":{"content":"a"}})"),
      event(R"({"delta":{"content":"a"},"finish_reason":"stop"})"),
      event(R"({"finish_reason":"stop","delta":{"content":"a"}})"),
      event(R"({"delta":{"content":"a"},"finish_reason": null,"finish_reason":"x"})"),
      event(R"({"delta":{"content":"a"},"usage": null,"usage":{"output_tokens":5}})"),
      event(R"({"delta":{"content":"a"},"usage"usage":{"output_tokens":5}})"),
      event(R"({"delta":{"content":"a"},"finish_reason"finish_reason":"x"})"),
      event(R"({"delta":{"content":"a"},"usage":{"x":)") + event(R"("y","output_tokens":5}})"),
      event(R"({"delta":{"content":"a"},"usage")") + event(R"(:{"output_tokens":6}})"),
      event(R"({"delta":{"content":")"),
      "data: {\"delta\":{\"content\":\"a\"}}\r\n\n",
      "data: {\"delta\":\ndata: {\"content\":\"a\"}}\n\n",
  };
  for (const std::string& middle : odd) {
    for (const std::string& last : odd) {
      const std::string body = plain + middle + last + plain;
      const TokenTap whole = tap_of(body);
      for (const size_t span_bytes : {1u, 3u, 64u}) {
        const TokenTap cut = tap_of(body, span_bytes);
        ASSERT_EQ(whole.content_events(), cut.content_events()) << body;
        EXPECT_EQ(whole.has_finished(), cut.has_finished()) << body;
        EXPECT_EQ(whole.has_error(), cut.has_error()) << body;
        EXPECT_EQ(whole.usage().source, cut.usage().source) << body;
        EXPECT_EQ(whole.usage().output, cut.usage().output) << body;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::usage
