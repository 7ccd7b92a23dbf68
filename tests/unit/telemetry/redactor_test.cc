#include <sluice/telemetry/redactor.h>

#include <gtest/gtest.h>

#include <sluice/json/value.h>

namespace sluice::telemetry {
namespace {

std::string redacted(std::string text, const std::vector<std::string>& patterns = {}) {
  Redactor redactor;
  redactor.set_patterns(patterns);
  redactor.redact(text);
  return text;
}

std::string redacted_json(std::string text, const std::vector<std::string>& patterns = {}) {
  Redactor redactor;
  redactor.set_patterns(patterns);
  redactor.redact_json(text);
  return text;
}

TEST(Redactor, d070_the_usual_shapes_of_secrets_are_struck_out) {
  EXPECT_EQ(redacted("key sk-proj-abc_DEF-123456789 is refused"), "key [redacted] is refused");
  EXPECT_EQ(redacted("authorization: Bearer eyJh.bG-c_i.Oi=="), "authorization: Bearer [redacted]");
  EXPECT_EQ(redacted("Proxy-Authorization: basic dXNlcjpwYXNz"),
            "Proxy-Authorization: basic [redacted]");
  EXPECT_EQ(redacted("api-key: 0123456789abcdef; x"), "api-key: [redacted]; x");
  EXPECT_EQ(redacted("{\"x_api_key\": \"0123456789abcdef\"}"), "{\"x_api_key\": \"[redacted]\"}");
  EXPECT_EQ(redacted("no postgres://joe:pass/w@rd@db:5432/x today"),
            "no postgres://joe:[redacted]@db:5432/x today");
  EXPECT_EQ(redacted("rediss://:hunter2222@cache/0"), "rediss://:[redacted]@cache/0");
  EXPECT_EQ(redacted("in x:\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nAB==\n-----END RSA PRIVATE "
                     "KEY-----"),
            "in x:\n[redacted]");
}

TEST(Redactor, d070_the_shapes_are_found_at_every_place_and_in_either_case) {
  const std::vector<std::string> shapes = {"sk-12345678", "BEARER 12345678", "bAsIc\t12345678",
                                           "API-KEY=12345678", "x://:12345678@"};
  for (const std::string& shape : shapes) {
    for (size_t before = 0; before < 40; ++before) {
      std::string text = std::string(before, ' ') + shape;
      EXPECT_FALSE(redacted(text).contains("12345678")) << text;
      EXPECT_FALSE(redacted_json("{\"a\":\"" + text + "\"}").contains("12345678")) << text;
    }
  }
}

TEST(Redactor, what_is_no_secret_stays) {
  for (const char* text :
       {"listening on https://127.0.0.1:8443", "limits.yaml:35: api_key: must be a reference",
        "-----BEGIN CERTIFICATE-----\nMIIB", "task-force", "user@example.com", ""}) {
    EXPECT_EQ(redacted(text), text);
    EXPECT_EQ(redacted_json(text), text);
  }
}

TEST(Redactor, d070_patterns_of_the_configuration_are_applied_in_order) {
  EXPECT_EQ(redacted("badge 12 and badge 13", {"badge ([0-9]+)"}),
            "badge [redacted] and badge [redacted]");
  EXPECT_EQ(redacted("badge 12", {"badge [0-9]+"}), "[redacted]");
  EXPECT_EQ(redacted("a=1 b=2", {"a=(1)|b=(2)"}), "a=[redacted] b=[redacted]");
  EXPECT_EQ(redacted("one\ntwo", {"^two$"}), "one\n[redacted]");
  EXPECT_EQ(redacted("xyz", {"x((y)z)"}), "x[redacted]");
}

TEST(Redactor, patterns_take_the_place_of_earlier_ones) {
  Redactor redactor;
  redactor.set_patterns(std::vector<std::string>{"one"});
  redactor.set_patterns(std::vector<std::string>{"two", "("});
  std::string text = "one two sk-0123456789";
  redactor.redact(text);
  EXPECT_EQ(text, "one [redacted] [redacted]");
}

TEST(Redactor, empty_matches_end) { EXPECT_EQ(redacted("abab", {"b*"}), "a[redacted]a[redacted]"); }

TEST(Redactor, d070_json_stays_json_whatever_a_pattern_matches) {
  const std::string line =
      "{\"key\":\"a\\\"b\\u00e4c\\\\\",\"status\":200,\"x\":[\"Bearer abcdefghij\"]}";
  EXPECT_EQ(redacted_json(line + "\n"),
            "{\"key\":\"a\\\"b\\u00e4c\\\\\",\"status\":200,"
            "\"x\":[\"Bearer [redacted]\"]}\n");
  for (const char* pattern : {".*", "a", "e4", "\\\\", "b.", "\"", "u00", "c.*2", "(?s)."}) {
    const std::string out = redacted_json(line + "\n" + line + "\n", {pattern});
    const size_t end = out.find('\n');
    ASSERT_NE(end, std::string::npos) << pattern;
    EXPECT_TRUE(json::parse_value(out.substr(0, end)).has_value()) << pattern << ": " << out;
    EXPECT_TRUE(out.contains("\"status\":200")) << pattern << ": " << out;
  }
}

}  // namespace
}  // namespace sluice::telemetry
