#include "header_rules.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(HeaderRules, d041_headers_of_one_connection_may_not_be_set) {
  for (const char* name : {"host", "content-length", "transfer-encoding", "connection", "te",
                           "upgrade", "keep-alive", "trailer", "expect", "proxy-authorization",
                           "proxy-connection", "content-type", "accept-encoding"}) {
    EXPECT_TRUE(refuse_upstream_header(name)) << name;
    EXPECT_TRUE(refuse_forward_header(name)) << name;
  }
  for (const char* name : {"authorization", "api-key", "x-team", "openai-organization"}) {
    EXPECT_FALSE(refuse_upstream_header(name)) << name;
  }
}

TEST(HeaderRules, d060_client_secrets_may_not_be_forwarded) {
  for (const char* name : {"authorization", "cookie", "x-api-key", "api-key"}) {
    EXPECT_TRUE(refuse_forward_header(name)) << name;
  }
  EXPECT_FALSE(refuse_forward_header("traceparent"));
}

TEST(HeaderRules, names_are_tokens_in_lower_case) {
  EXPECT_EQ(header_name("X-Team_1"), "x-team_1");
  for (const char* text : {"", "a b", "a:", "a\n", "h\xc3\xb6", "a\"", "(a)"}) {
    EXPECT_EQ(header_name(text), "") << text;
  }
  EXPECT_EQ(header_name(std::string(129, 'a')), "");
}

TEST(HeaderRules, values_cannot_break_a_request) {
  EXPECT_TRUE(is_header_value("a b; c=\"d\""));
  for (const char* value : {"", " a", "a ", "a\r\nb: c", "a\nb", "a\tb", "a\x7f", "\xc3\xb6"}) {
    EXPECT_FALSE(is_header_value(value)) << value;
  }
  EXPECT_FALSE(is_header_value(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace sluice::config
