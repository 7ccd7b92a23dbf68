#include <sluice/config/origin_rules.h>

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

CorsSettings some() {
  return {.enabled = true,
          .allow_methods = {"GET", "POST"},
          .allow_headers = {"authorization"},
          .expose_headers = {"x-request-id", "retry-after"},
          .max_age = seconds(90),
          .data_origins = {{"https://a.example", "http://localhost:5173"}, {"https://b.example"}}};
}

TEST(OriginRules, an_allowed_origin_is_named_and_no_other_one_is_told_anything) {
  const CorsSettings settings = some();
  const OriginRules rules(settings, settings.data_origins);
  EXPECT_EQ(rules.answer_lines("https://a.example"),
            "access-control-allow-origin: https://a.example\r\n"
            "access-control-expose-headers: x-request-id, retry-after\r\n");
  EXPECT_EQ(rules.preflight_lines("http://localhost:5173"),
            "access-control-allow-origin: http://localhost:5173\r\n"
            "access-control-allow-methods: GET, POST\r\n"
            "access-control-allow-headers: authorization\r\n"
            "access-control-max-age: 90\r\n");
  for (const char* origin : {"https://b.example", "https://a.example.evil", "https://a.exampl",
                             "http://a.example", "https://A.example", "null", "*", "",
                             "https://a.example:443", "https://a.example, https://c"}) {
    EXPECT_EQ(rules.answer_lines(origin), "") << origin;
    EXPECT_EQ(rules.preflight_lines(origin), "") << origin;
  }
  EXPECT_EQ(rules.shared_lines(), "vary: origin\r\n");
}

TEST(OriginRules, credentials_are_said_in_both_answers) {
  CorsSettings settings = some();
  settings.allow_credentials = true;
  const OriginRules rules(settings, settings.data_origins);
  for (const std::string_view lines :
       {rules.answer_lines("https://a.example"), rules.preflight_lines("https://a.example")}) {
    EXPECT_NE(lines.find("access-control-allow-credentials: true\r\n"), std::string_view::npos);
  }
}

TEST(OriginRules, all_origins_are_a_star_but_for_those_denied) {
  CorsSettings settings = some();
  settings.allow_all_origins = true;
  settings.data_origins.allow.clear();
  const OriginRules rules(settings, settings.data_origins);
  EXPECT_TRUE(rules.answer_lines("https://c").starts_with("access-control-allow-origin: *\r\n"));
  EXPECT_TRUE(rules.answer_lines("null").starts_with("access-control-allow-origin: *\r\n"));
  EXPECT_EQ(rules.answer_lines("https://b.example"), "");
  EXPECT_EQ(rules.shared_lines(), "vary: origin\r\n");
  settings.data_origins.deny.clear();
  EXPECT_EQ(OriginRules(settings, settings.data_origins).shared_lines(), "");
}

TEST(OriginRules, nothing_is_said_while_they_are_off) {
  CorsSettings settings = some();
  settings.enabled = false;
  const OriginRules rules(settings, settings.data_origins);
  EXPECT_FALSE(rules.are_enabled());
  EXPECT_EQ(rules.answer_lines("https://a.example"), "");
  EXPECT_EQ(rules.preflight_lines("https://a.example"), "");
  EXPECT_EQ(rules.shared_lines(), "");
}

TEST(OriginRules, empty_lists_write_no_field) {
  CorsSettings settings = some();
  settings.allow_headers.clear();
  settings.expose_headers.clear();
  const OriginRules rules(settings, settings.data_origins);
  EXPECT_EQ(rules.answer_lines("https://a.example"),
            "access-control-allow-origin: https://a.example\r\n");
  EXPECT_EQ(rules.preflight_lines("https://a.example"),
            "access-control-allow-origin: https://a.example\r\n"
            "access-control-allow-methods: GET, POST\r\naccess-control-max-age: 90\r\n");
}

}  // namespace
}  // namespace sluice::config
