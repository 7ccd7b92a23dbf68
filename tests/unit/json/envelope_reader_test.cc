#include <sluice/json/envelope_reader.h>

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../../support/counted_new.h"
#include "../../support/strict_json.h"
#include "padded.h"

namespace sluice::json {
namespace {

constexpr uint32_t kDepthMax = 128;

// Keeps the body beside what was read from it.
class EnvelopeReaderTest : public ::testing::Test {
 protected:
  std::expected<Envelope, EnvelopeError> read(std::string_view body, uint32_t depth = kDepthMax) {
    body_ = std::make_unique<Padded>(body);
    return reader_.read(body_->text(), depth);
  }
  std::string_view at(ByteRange range) const {
    return body_->text().substr(range.offset, range.length);
  }
  void expect_refusal(std::string_view body, ErrorCode code, std::string_view param) {
    const auto envelope = read(body);
    ASSERT_FALSE(envelope.has_value()) << body;
    EXPECT_EQ(to_string(envelope.error().error.code), to_string(code)) << body;
    EXPECT_EQ(envelope.error().param, param) << body;
  }

  EnvelopeReader reader_;
  std::unique_ptr<Padded> body_;
};

TEST_F(EnvelopeReaderTest, finds_where_the_prompt_stands) {
  struct Case {
    std::string_view body;
    std::string_view prompt;
    bool repeats;
  };
  const Case cases[] = {
      {R"({"model":"m","messages":[{"a":1}],"n":1})", R"([{"a":1}])", false},
      {R"({"prompt":"say \"input\"","model":"m"})", R"("say \"input\"")", false},
      {R"({"model":"m","input":["a","b"]})", R"(["a","b"])", false},
      {R"({"input":1,"model":"m","messages":[]})", "1", true},
      {R"({"messages":[1],"model":"m","messages":[2]})", "[1]", true},
      {R"({"model":"m","x":{"messages":[1]}})", "", false},
      {R"({"model":"m","m\u0065ssages":null})", "null", false},
  };
  for (const Case& each : cases) {
    const auto envelope = read(each.body);
    ASSERT_TRUE(envelope.has_value()) << each.body;
    EXPECT_EQ(at(envelope->prompt), each.prompt) << each.body;
    EXPECT_EQ(envelope->prompt_repeats, each.repeats) << each.body;
  }
}

TEST_F(EnvelopeReaderTest, the_prompt_cache_key_is_a_string_given_once) {
  const auto envelope = read(R"({"model":"m","prompt_cache_key":"k-\u00e9"})");
  ASSERT_TRUE(envelope.has_value());
  EXPECT_EQ(envelope->prompt_cache_key, "k-\\u00e9");
  EXPECT_TRUE(read(R"({"model":"m","prompt_cache_key":null})")->prompt_cache_key.empty());
  expect_refusal(R"({"model":"m","prompt_cache_key":1})", ErrorCode::kUnsupportedValue,
                 "prompt_cache_key");
  expect_refusal(R"({"model":"m","prompt_cache_key":"a","prompt_cache_key":"a"})",
                 ErrorCode::kUnsupportedValue, "prompt_cache_key");
}

TEST_F(EnvelopeReaderTest, finds_every_field_in_any_order) {
  const std::vector<std::string> members = {
      R"("messages":[{"role":"user","content":"say \"model\": {[}"}])",
      R"("user" : "u-\u00e9")",
      R"("model":"gpt-4o")",
      R"("stream":true)",
      R"("stream_options":{"x":1, "include_usage" : true})",
      R"("max_tokens":10)",
      R"("max_completion_tokens":18446744073709551615)",
      R"("max_output_tokens": 0)",
      R"("n":2)"};
  for (size_t turn = 0; turn < members.size(); ++turn) {
    std::string body = " \n{ ";
    for (size_t i = 0; i < members.size(); ++i) {
      body += (i == 0 ? "" : " , ") + members[(i + turn) % members.size()];
    }
    body += " } \r\n";
    const auto envelope = read(body);
    ASSERT_TRUE(envelope.has_value()) << body << envelope.error().error.detail;
    EXPECT_EQ(envelope->model, "gpt-4o");
    EXPECT_EQ(at(envelope->model_token), "\"gpt-4o\"");
    EXPECT_TRUE(envelope->stream);
    EXPECT_EQ(envelope->stream_options, StreamOptions::kObject);
    EXPECT_EQ(at(envelope->stream_options_token), R"({"x":1, "include_usage" : true})");
    EXPECT_EQ(envelope->include_usage, IncludeUsage::kOn);
    EXPECT_EQ(at(envelope->include_usage_token), "true");
    EXPECT_EQ(envelope->max_tokens, 10u);
    EXPECT_EQ(envelope->max_completion_tokens, UINT64_MAX);
    EXPECT_EQ(envelope->max_output_tokens, 0u);
    EXPECT_EQ(envelope->output_tokens_max(), UINT64_MAX);
    EXPECT_EQ(envelope->n, 2u);
    EXPECT_EQ(envelope->user, "u-\\u00e9");
    EXPECT_EQ(envelope->members_begin, 3u);
  }
}

TEST_F(EnvelopeReaderTest, null_and_absent_fields_are_absent) {
  const auto envelope = read(R"({"model":"m","stream":null,"stream_options":null,"max_tokens":null,
      "max_completion_tokens":null,"max_output_tokens":null,"n":null,"user":null})");
  ASSERT_TRUE(envelope.has_value());
  EXPECT_FALSE(envelope->stream);
  EXPECT_EQ(envelope->stream_options, StreamOptions::kNull);
  EXPECT_EQ(at(envelope->stream_options_token), "null");
  EXPECT_EQ(envelope->output_tokens_max(), std::nullopt);
  EXPECT_EQ(envelope->n, std::nullopt);
  const auto bare = read(R"({"model":"m"})");
  ASSERT_TRUE(bare.has_value());
  EXPECT_EQ(bare->stream_options, StreamOptions::kAbsent);
  EXPECT_EQ(bare->include_usage, IncludeUsage::kAbsent);
}

TEST_F(EnvelopeReaderTest, reads_names_and_keys_spelled_with_escapes) {
  const auto envelope = read(R"({"\u006dod\u0065l":"gp\u0074\/4\ud83d\ude00","str\u0065am":true,)"
                             R"("stream_options":{"includ\u0065_usage":null}})");
  ASSERT_TRUE(envelope.has_value());
  EXPECT_EQ(envelope->model, "gpt/4\xF0\x9F\x98\x80");
  EXPECT_EQ(at(envelope->model_token), R"("gp\u0074\/4\ud83d\ude00")");
  EXPECT_TRUE(envelope->stream);
  EXPECT_EQ(envelope->include_usage, IncludeUsage::kOff);
}

TEST_F(EnvelopeReaderTest, a_field_given_twice_is_refused_however_it_is_spelled) {
  expect_refusal(R"({"model":"a","model":"b"})", ErrorCode::kUnsupportedValue, "model");
  expect_refusal(R"({"model":"a","\u006dodel":"a"})", ErrorCode::kUnsupportedValue, "model");
  expect_refusal(R"({"stream":true,"model":"a","stre\u0061m":false})", ErrorCode::kUnsupportedValue,
                 "stream");
  expect_refusal(R"({"stream_options":null,"model":"a","stream_options":{}})",
                 ErrorCode::kUnsupportedValue, "stream_options");
  expect_refusal(R"({"model":"a","stream_options":{"include_usage":true,"include_usage":false}})",
                 ErrorCode::kUnsupportedValue, "stream_options.include_usage");
  expect_refusal(R"({"model":"a","max_tokens":1,"max_tokens":2})", ErrorCode::kUnsupportedValue,
                 "max_tokens");
  EXPECT_TRUE(read(R"({"model":"a","x":1,"x":2,"in":{"model":"b","model":"c"}})").has_value());
}

TEST_F(EnvelopeReaderTest, a_wrong_type_is_refused_and_names_its_field) {
  const auto code = ErrorCode::kUnsupportedValue;
  expect_refusal(R"({"model":1})", code, "model");
  expect_refusal(R"({"model":null})", code, "model");
  expect_refusal(R"({"model":["a"]})", code, "model");
  expect_refusal(R"({"model":"a","stream":"true"})", code, "stream");
  expect_refusal(R"({"model":"a","stream":1})", code, "stream");
  expect_refusal(R"({"model":"a","stream_options":true})", code, "stream_options");
  expect_refusal(R"({"model":"a","stream_options":[]})", code, "stream_options");
  expect_refusal(R"({"model":"a","stream_options":{"include_usage":1}})", code,
                 "stream_options.include_usage");
  for (const char* number : {"-1", "1.5", "1e3", "18446744073709551616", "\"1\"", "true", "[1]"}) {
    expect_refusal(R"({"model":"a","max_tokens":)" + std::string(number) + "}", code, "max_tokens");
  }
  expect_refusal(R"({"model":"a","user":7})", code, "user");
  expect_refusal(R"({"model":")" + std::string(EnvelopeReader::kModelBytesMax + 1, 'm') + "\"}",
                 code, "model");
}

TEST_F(EnvelopeReaderTest, a_body_without_a_model_is_refused) {
  expect_refusal("{}", ErrorCode::kMissingParameter, "model");
  expect_refusal(R"({"Model":"a","x":{"model":"b"}})", ErrorCode::kMissingParameter, "model");
}

TEST_F(EnvelopeReaderTest, what_is_not_json_is_refused_as_such_whatever_else_is_wrong) {
  for (const std::string body : {"",
                                 " ",
                                 "[]",
                                 "[{\"model\":\"a\"}]",
                                 "\"a\"",
                                 "1",
                                 "null",
                                 "{",
                                 "}",
                                 "{]",
                                 "[}",
                                 R"({"model":1)",
                                 R"({"model":1,})",
                                 R"({"model" 1})",
                                 R"({"model":"a"}})",
                                 R"({"model":"a"} x)",
                                 R"({"model":"a"}{})",
                                 R"({"model":"a",,"b":1})",
                                 R"({,"model":"a"})",
                                 R"({"model":"a" "b":1})",
                                 R"({model:"a"})",
                                 R"({'model':'a'})",
                                 R"({"model":"a})",
                                 R"({"model":"a\"})",
                                 "{\"model\":\"a\nb\"}",
                                 "{\"model\":\"a\\x\"}",
                                 R"({"model":"\u12g4"})",
                                 R"({"model":"\u123"})",
                                 "\xEF\xBB\xBF{\"model\":\"a\"}",
                                 "{\"model\":\"\xff\"}",
                                 "{\"model\":\"\xC0\xAF\"}",
                                 "{\"model\":\"\xED\xA0\x80\"}",
                                 "{\"model\":\"a\",\"x\":\"\xE2\x82\"}"}) {
    expect_refusal(body, ErrorCode::kInvalidJson, "");
  }
}

TEST_F(EnvelopeReaderTest, every_value_is_checked_also_where_no_field_is_read) {
  for (const char* value : {"tru",
                            "truex",
                            "True",
                            "nul",
                            "nulll",
                            "falsefalse",
                            "01",
                            "-",
                            "+1",
                            ".5",
                            "1.",
                            "1e",
                            "1e+",
                            "0x10",
                            "1_0",
                            "Infinity",
                            "NaN",
                            "-01",
                            "1 2",
                            "\"a\"b",
                            "\"a\"\"b\"",
                            "a\"b\"",
                            "1\"x\"",
                            "true\"\"",
                            "[1,]",
                            "[,1]",
                            "[1 2]",
                            "[1",
                            "[1}",
                            "{\"a\"}",
                            "{\"a\":}",
                            "{\"a\":1,}",
                            "{1:2}",
                            "{\"a\":1 \"b\":2}",
                            "{\"a\":[{]}}",
                            "[\"a\":1]",
                            "\\n",
                            "\\\"",
                            ":",
                            ",",
                            "\x0c",
                            "\x1a",
                            "1\x0c",
                            "\x01",
                            "\x7f",
                            "\xC2\xA0",
                            "undefined"}) {
    expect_refusal(R"({"model":"a","x":)" + std::string(value) + "}", ErrorCode::kInvalidJson, "");
  }
  expect_refusal(std::string("{\"model\":\"a\"\0}", 14), ErrorCode::kInvalidJson, "");
  expect_refusal(std::string("{\"model\":\"a\0\"}", 14), ErrorCode::kInvalidJson, "");
}

TEST_F(EnvelopeReaderTest, d108_every_valid_shape_is_accepted) {
  for (const char* members :
       {R"("stop":"x")", R"("stop":["x","y"])", R"("stop":null)",
        R"("messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
        R"({"role":"assistant","content":null}])",
        R"("seed":123456789012345678901234567890)", R"("temperature":1.000000000000000000000001)",
        R"("x":-0)", R"("x":-0.0e-0)", R"("x":1E400)", R"("logit_bias":{"50256":-100})", R"("":{})",
        R"("x":"lone \ud800 surrogate")", R"("x":"\ud800\ud800\udc00\udc00")",
        R"("x":[[],{},[[{}]]])", "\"x\" \t\r\n:\t[ 1 , true,false\n, null ]",
        R"("x":"\\\\\"\\\"\/\b\f\n\r\t\u0000")"}) {
    const std::string body = R"({"model":"m",)" + std::string(members) + "}";
    const auto envelope = read(body);
    EXPECT_TRUE(envelope.has_value()) << body << ": " << envelope.error().error.detail;
  }
}

TEST_F(EnvelopeReaderTest, nesting_is_bounded_exactly) {
  const auto nested = [](size_t levels, std::string open, std::string close) {
    std::string body = R"({"model":"m","x":)";
    for (size_t i = 1; i < levels; ++i) body += open;
    body += "1";
    for (size_t i = 1; i < levels; ++i) body += close;
    return body + "}";
  };
  for (const uint32_t depth : {1u, 2u, 63u, 64u, 65u, 128u, 1024u}) {
    EXPECT_TRUE(read(nested(depth, "[", "]"), depth).has_value()) << depth;
    EXPECT_TRUE(read(nested(depth, "{\"a\":", "}"), depth).has_value()) << depth;
    const auto refused = read(nested(depth + 1, "[", "]"), depth);
    ASSERT_FALSE(refused.has_value()) << depth;
    EXPECT_EQ(refused.error().error.detail, "nested too deeply");
    EXPECT_FALSE(read(nested(depth + 1, "{\"a\":", "}"), depth).has_value()) << depth;
  }
  EXPECT_FALSE(read(nested(1'000'000, "[", "]"), UINT32_MAX).has_value());
  EXPECT_FALSE(read(R"({"model":"m","stream_options":{}})", 1).has_value());
}

TEST_F(EnvelopeReaderTest, d022_nothing_of_one_body_shows_in_the_next) {
  const std::string full =
      R"({"model":"\u0061","stream":true,"stream_options":{"include_usage":true},
      "max_tokens":1,"max_completion_tokens":2,"max_output_tokens":3,"n":4,"user":"u"})";
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(read(full).has_value());
    const auto envelope = read(R"({"model":"b"})");
    ASSERT_TRUE(envelope.has_value());
    EXPECT_EQ(envelope->model, "b");
    EXPECT_FALSE(envelope->stream);
    EXPECT_EQ(envelope->stream_options, StreamOptions::kAbsent);
    EXPECT_EQ(envelope->include_usage, IncludeUsage::kAbsent);
    EXPECT_EQ(envelope->output_tokens_max(), std::nullopt);
    EXPECT_EQ(envelope->n, std::nullopt);
    EXPECT_EQ(envelope->user, "");
    ASSERT_FALSE(read(R"({"model":)").has_value());
    ASSERT_FALSE(read("{}").has_value());
  }
}

TEST_F(EnvelopeReaderTest, every_prefix_of_a_body_is_refused) {
  const std::string body = R"({"model":"\u0061b","x":[1.5e3,{"y":"\\\"é"},true,null],)"
                           R"("stream_options":{"include_usage":false}})";
  for (size_t length = 0; length < body.size(); ++length) {
    expect_refusal(body.substr(0, length), ErrorCode::kInvalidJson, "");
  }
  EXPECT_TRUE(read(body).has_value());
}

// Random edits of a valid body, at every alignment, against the oracle.
TEST_F(EnvelopeReaderTest, agrees_with_a_plain_validator_on_damaged_bodies) {
  const std::string seed_body =
      R"({"model":"m\u0041","messages":[{"role":"user","content":"a \"b\" \\ é\n"},)"
      R"({"n":[-1.5e+3,0,{}]}],)"
      R"("stream":true,"stream_options":{"include_usage":false,"k":[null,true]},)"
      R"("max_tokens":17,"z":""})";
  static constexpr std::string_view kBytes =
      "{}[]:,\"\\ \n0159-+.eEtrufalsn/\x01\x0c\x1a\x7f\xc3\xa9\xff\xed";
  std::mt19937 random(20240607);
  int accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string body(random() % 70, ' ');
    body += seed_body;
    for (uint32_t edits = random() % 4; edits > 0; --edits) {
      const size_t at = random() % body.size();
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 3) {
        case 0: body[at] = byte; break;
        case 1: body.insert(at, 1, byte); break;
        default: body.erase(at, 1 + random() % 3); break;
      }
      if (body.empty()) body = " ";
    }
    const auto envelope = read(body);
    const bool is_json =
        envelope.has_value() || envelope.error().error.code != ErrorCode::kInvalidJson;
    const size_t begin = body.find_first_not_of(" \n\r\t");
    const bool is_object = begin != std::string::npos && body[begin] == '{';
    ASSERT_EQ(is_json, is_object && support::is_strict_json(body, kDepthMax)) << body;
    accepted += envelope.has_value() ? 1 : 0;
  }
  EXPECT_GT(accepted, 15'000);
  EXPECT_LT(accepted, 50'000);
}

TEST_F(EnvelopeReaderTest, a_warm_reader_allocates_nothing) {
  const Padded large(R"({"model":"m","x":")" + std::string(300'000, 'x') + "\"}");
  const Padded small(
      R"({"\u006dodel":"\u0061","stream":true,"stream_options":{},"x":[1,{"y":"z"}]})");
  ASSERT_TRUE(reader_.read(large.text(), kDepthMax).has_value());
  const uint64_t before = support::allocations;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(reader_.read(small.text(), kDepthMax).has_value());
    ASSERT_TRUE(reader_.read(large.text(), kDepthMax).has_value());
  }
  EXPECT_EQ(support::allocations, before);
}

TEST_F(EnvelopeReaderTest, gives_back_its_memory_after_a_large_body) {
  EXPECT_EQ(reader_.memory_bytes(), 0u);
  ASSERT_TRUE(read(R"({"model":"m"})").has_value());
  const size_t small = reader_.memory_bytes();
  EXPECT_EQ(small, EnvelopeReader::memory_needed(1));
  reader_.release_above(small);
  EXPECT_EQ(reader_.memory_bytes(), small);
  const std::string large = R"({"model":"m","x":")" + std::string(2 << 20, 'x') + "\"}";
  ASSERT_TRUE(read(large).has_value());
  EXPECT_EQ(reader_.memory_bytes(), EnvelopeReader::memory_needed(large.size()));
  EXPECT_GE(reader_.memory_bytes(), 4 * large.size());
  reader_.release_above(small);
  EXPECT_EQ(reader_.memory_bytes(), 0u);
  EXPECT_TRUE(read(R"({"model":"m"})").has_value());
}

}  // namespace
}  // namespace sluice::json
