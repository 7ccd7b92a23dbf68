#include <sluice/json/plain_usage.h>

#include <string>

#include <gtest/gtest.h>

namespace sluice::json {
namespace {

void expect_equal(const UsageFields& left, const UsageFields& right, std::string_view text) {
  EXPECT_EQ(left.input, right.input) << text;
  EXPECT_EQ(left.output, right.output) << text;
  EXPECT_EQ(left.cached, right.cached) << text;
  EXPECT_EQ(left.reasoning, right.reasoning) << text;
}

const std::string kUsages[] = {
    "{}",
    R"({"prompt_tokens":11,"completion_tokens":22,"total_tokens":33,)"
    R"("prompt_tokens_details":{"audio_tokens":0,"cached_tokens":4},)"
    R"("completion_tokens_details":{"reasoning_tokens":5,"accepted_prediction_tokens":0}})",
    R"({"input_tokens":1,"input_tokens_details":{"cached_tokens":2},"output_tokens":3,)"
    R"("output_tokens_details":{"reasoning_tokens":4},"total_tokens":4})",
    "{ \"prompt_tokens\" : 1 ,\n\t\"completion_tokens\":\r 2 , \"x\" : { } }",
    R"({"prompt_tokens":0,"completion_tokens":null,"prompt_tokens_details":null})",
    R"({"prompt_tokens":7,"prompt_tokens":null,"completion_tokens":1,"completion_tokens":2})",
    R"({"prompt_tokens":"7","completion_tokens":{"prompt_tokens":3},"x":"{}","y":true,"z":false})",
    R"({"prompt_tokens":999999999999999999,"a":{"b":{"c":"d"}},"":0})",
};

TEST(PlainUsage, reads_what_the_strict_reader_reads) {
  FieldReader reader;
  for (const std::string& text : kUsages) {
    const auto plain = read_plain_usage(text + "}]");
    ASSERT_TRUE(plain.has_value()) << text;
    EXPECT_EQ(plain->bytes, text.size());
    const auto strict = reader.read_usage(text);
    ASSERT_TRUE(strict.has_value()) << text;
    expect_equal(plain->fields, *strict, text);
  }
}

TEST(PlainUsage, reads_nothing_that_is_cut) {
  for (const std::string& text : kUsages) {
    for (size_t length = 0; length < text.size(); ++length) {
      EXPECT_FALSE(read_plain_usage(std::string_view(text).substr(0, length))) << text << length;
    }
  }
}

TEST(PlainUsage, leaves_what_is_not_plain_or_not_json) {
  for (const char* text : {"",
                           "[]",
                           " {}",
                           "{",
                           "1",
                           R"({"prompt_tokens":01})",
                           R"({"prompt_tokens":1.5})",
                           R"({"prompt_tokens":1e3})",
                           R"({"prompt_tokens":-1})",
                           R"({"prompt_tokens":1x})",
                           R"({"prompt_tokens":1000000000000000000})",
                           R"({"prompt_tokens":1,})",
                           R"({"prompt_tokens":1 "x":2})",
                           R"({"prompt_tokens" 1})",
                           R"({prompt_tokens:1})",
                           R"({,"prompt_tokens":1})",
                           R"({"prompt_tokens":})",
                           R"({"x":nul})",
                           R"({"x":nullx})",
                           R"({"x":[1]})",
                           R"({"x":"a\"b"})",
                           R"({"prompt\u005ftokens":1})",
                           "{\"x\":\"\xc3\xa4\"}",
                           "{\"x\":\"a\nb\"}",
                           R"({"a":{"b":{"c":{"d":{}}}}})",
                           R"({"x":"}")"}) {
    EXPECT_FALSE(read_plain_usage(text)) << text;
  }
}

const std::string kEvents[] = {
    R"({"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}})",
    R"({"choices" : [ ] , "usage" : null , "error":null,"service_tier":"default"} )",
    R"({"choices":null,"usage":{},"error":{"message":"no"},"created":1717000000})",
};

void expect_equal(const EventFields& left, const EventFields& right, std::string_view text) {
  EXPECT_EQ(left.has_choices, right.has_choices) << text;
  EXPECT_EQ(left.choices_empty, right.choices_empty) << text;
  EXPECT_EQ(left.has_usage, right.has_usage) << text;
  EXPECT_EQ(left.has_error, right.has_error) << text;
  EXPECT_EQ(left.has_finish_reason, right.has_finish_reason) << text;
  expect_equal(left.usage, right.usage, text);
}

TEST(PlainEvent, reads_what_the_strict_reader_reads_and_leaves_the_rest) {
  FieldReader reader;
  for (const std::string& text : kEvents) {
    const auto plain = read_plain_event(text);
    ASSERT_TRUE(plain.has_value()) << text;
    expect_equal(*plain, *reader.read_event(text), text);
  }
  for (const char* text : {"", "{", "[]", "null", R"({"choices":[{}]})", R"({"response":{}})",
                           R"({"usage":{}}x)", R"({"usage":{"a":[1]}})"}) {
    EXPECT_FALSE(read_plain_event(text)) << text;
  }
}

TEST(PlainEvent, agrees_with_the_strict_reader_on_every_wrong_byte) {
  FieldReader reader;
  for (const std::string& good : kEvents) {
    for (size_t at = 0; at < good.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = good;
        text[at] = static_cast<char>(byte);
        const auto plain = read_plain_event(text);
        if (!plain) continue;
        const auto strict = reader.read_event(text);
        ASSERT_TRUE(strict.has_value()) << text;
        expect_equal(*plain, *strict, text);
      }
    }
  }
}

// Goal: every byte of a usage, put to every other value, is read alike or left.
TEST(PlainUsage, agrees_with_the_strict_reader_on_every_wrong_byte) {
  FieldReader reader;
  for (const std::string& good : kUsages) {
    for (size_t at = 1; at < good.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = good;
        text[at] = static_cast<char>(byte);
        const auto plain = read_plain_usage(text);
        if (!plain) continue;
        const std::string object = text.substr(0, plain->bytes);
        const auto strict = reader.read_usage(object);
        ASSERT_TRUE(strict.has_value()) << object;
        expect_equal(plain->fields, *strict, object);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::json
