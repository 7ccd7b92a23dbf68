#include <sluice/json/edit.h>

#include <string>

#include <gtest/gtest.h>

#include "padded.h"

namespace sluice::json {
namespace {

std::string edited(std::string_view body, const BodyEdit& edit) {
  EnvelopeReader reader;
  const Padded padded(body);
  const auto envelope = reader.read(padded.text(), 128);
  if (!envelope) return "refused";
  const BodyPlan plan = plan_body(padded.text(), *envelope, edit);
  std::string text;
  for (const std::string_view piece : plan.pieces()) text += piece;
  EXPECT_EQ(text.size(), plan.total_length());
  return text;
}

TEST(PlanBody, without_an_edit_is_the_body_itself) {
  const std::string body = "  { \"model\" : \"m\" , \"x\" : 1.0 }\n";
  EXPECT_EQ(edited(body, {}), body);
}

TEST(PlanBody, replaces_the_models_value_alone) {
  EXPECT_EQ(edited(R"({"model":"m"})", {.model = R"("up\"stream")"}), R"({"model":"up\"stream"})");
  EXPECT_EQ(edited(R"({"a":{"model":"x"},"m\u006fdel" : "gp\u0074" ,"b":2})", {.model = R"("n")"}),
            R"({"a":{"model":"x"},"m\u006fdel" : "n" ,"b":2})");
}

TEST(PlanBody, adds_include_usage_whatever_stream_options_is) {
  const BodyEdit edit{.include_usage = true};
  EXPECT_EQ(edited(R"({"model":"m"})", edit),
            R"({"stream_options":{"include_usage":true},"model":"m"})");
  EXPECT_EQ(edited(R"({"stream_options":null,"model":"m"})", edit),
            R"({"stream_options":{"include_usage":true},"model":"m"})");
  EXPECT_EQ(edited(R"({"stream_options":{},"model":"m"})", edit),
            R"({"stream_options":{"include_usage":true},"model":"m"})");
  EXPECT_EQ(edited(R"({"stream_options":{ } ,"model":"m"})", edit),
            R"({"stream_options":{"include_usage":true } ,"model":"m"})");
  EXPECT_EQ(edited(R"({"stream_options":{"a":1},"model":"m"})", edit),
            R"({"stream_options":{"include_usage":true,"a":1},"model":"m"})");
  EXPECT_EQ(edited(R"({"stream_options":{"a":1,"include_usage":false},"model":"m"})", edit),
            R"({"stream_options":{"a":1,"include_usage":true},"model":"m"})");
  EXPECT_EQ(edited(R"({"stream_options":{"include_usage" : null},"model":"m"})", edit),
            R"({"stream_options":{"include_usage" : true},"model":"m"})");
  const std::string asked = R"({"stream_options":{"include_usage":true},"model":"m"})";
  EXPECT_EQ(edited(asked, edit), asked);
}

TEST(PlanBody, makes_both_edits_in_either_order) {
  const BodyEdit edit{.model = "\"n\"", .include_usage = true};
  EXPECT_EQ(edited(R"({"model":"m","stream_options":null})", edit),
            R"({"model":"n","stream_options":{"include_usage":true}})");
  EXPECT_EQ(edited(R"({"stream_options":null,"model":"m","x":1})", edit),
            R"({"stream_options":{"include_usage":true},"model":"n","x":1})");
  EXPECT_EQ(edited(R"({"model":"m"})", edit),
            R"({"stream_options":{"include_usage":true},"model":"n"})");
}

TEST(PlanBody, d108_numbers_unknown_fields_and_order_survive_byte_for_byte) {
  const std::string before =
      "{ \"z\":[1.000000000000000000001, 1E400,-0.0,12345678901234567890123],\r\n\"model\":";
  const std::string after =
      ",\"stop\":\"x\",\"stop\":[\"\\u0041\\/\"],\"unknown\":{\"b\":null,\"a\":\"\xC3\xA9\"}}\n";
  EXPECT_EQ(edited(before + "\"m\"" + after, {.model = "\"other\""}), before + "\"other\"" + after);
}

std::string continued(std::string_view body, const BodyEdit& edit, std::string_view partial,
                      PromptKind kind) {
  EnvelopeReader reader;
  const Padded padded(body);
  const auto envelope = reader.read(padded.text(), 128);
  if (!envelope) return "refused";
  const auto plan = plan_continued_body(padded.text(), *envelope, edit, partial, kind);
  if (!plan) return "impossible";
  std::string text;
  for (const std::string_view piece : plan->pieces()) text += piece;
  EXPECT_EQ(text.size(), plan->total_length());
  const Padded edited(text);
  EXPECT_TRUE(reader.read(edited.text(), 128).has_value()) << text;
  return text;
}

TEST(PlanContinuedBody, d023_the_partial_answer_becomes_the_last_message) {
  EXPECT_EQ(
      continued(R"( {"model":"m", "messages" : [{"role":"user"} ] , "x":1 } )", {}, R"(a \"b\" )",
                PromptKind::kMessages),
      R"( {"model":"m", "messages" : [{"role":"user"} ,{"role":"assistant","content":"a \"b\" "}] )"
      R"(, "x":1 ,"continue_final_message":true,"add_generation_prompt":false} )");
  EXPECT_EQ(continued(R"({"stream_options":null,"messages":[1],"model":"m"})",
                      {.model = "\"n\"", .include_usage = true}, "p", PromptKind::kMessages),
            R"({"stream_options":{"include_usage":true},"messages":[1,{"role":"assistant",)"
            R"("content":"p"}],"model":"n","continue_final_message":true,)"
            R"("add_generation_prompt":false})");
}

TEST(PlanContinuedBody, d023_a_text_prompt_gets_it_at_its_end) {
  EXPECT_EQ(
      continued(R"({"prompt":"once \"upon\"","model":"m"})", {}, R"(\n a)", PromptKind::kPrompt),
      R"({"prompt":"once \"upon\"\n a","model":"m"})");
}

TEST(PlanContinuedBody, d023_what_may_not_go_on_is_not_asked) {
  for (const std::string_view body :
       {R"({"model":"m"})", R"({"model":"m","messages":[]})", R"({"model":"m","messages":"x"})",
        R"({"model":"m","messages":[1],"n":2})", R"({"model":"m","messages":[1],"messages":[2]})",
        R"({"model":"m","prompt":[1]})", R"({"model":"m","input":[1]})",
        R"({"model":"m","messages":[1],"continue_final_message":true})",
        R"({"model":"m","messages":[1],"add_generation_prompt":true})"}) {
    EXPECT_EQ(continued(body, {}, "p", PromptKind::kMessages), "impossible") << body;
    EXPECT_EQ(continued(body, {}, "p", PromptKind::kPrompt), "impossible") << body;
  }
}

TEST(PlanBody, the_result_reads_back_as_asked) {
  for (const char* options :
       {"", R"("stream_options":null,)", R"("stream_options":{},)",
        R"("stream_options":{"include_usage":false},)", R"("stream_options":{"x":{}},)"}) {
    const std::string body = "{" + std::string(options) + R"("model":"m","stream":true})";
    const Padded padded(edited(body, {.model = "\"n\"", .include_usage = true}));
    EnvelopeReader reader;
    const auto envelope = reader.read(padded.text(), 128);
    ASSERT_TRUE(envelope.has_value()) << body;
    EXPECT_EQ(envelope->model, "n");
    EXPECT_EQ(envelope->include_usage, IncludeUsage::kOn);
  }
}

}  // namespace
}  // namespace sluice::json
