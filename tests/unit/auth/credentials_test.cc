#include <sluice/auth/credentials.h>

#include <gtest/gtest.h>

#include <string>

namespace sluice::auth {
namespace {

std::string extract(const Credentials& credentials) {
  const auto secret = extract_secret(credentials);
  if (secret) return std::string(*secret);
  EXPECT_EQ(secret.error().code, ErrorCode::kInvalidApiKey);
  EXPECT_EQ(secret.error().side, Side::kDownstream);
  return "refused: " + std::string(secret.error().detail);
}

std::string bearer(std::string_view header) { return extract({.authorization = header}); }

TEST(ExtractSecret, takes_a_bearer_token_whatever_the_case_of_the_scheme) {
  EXPECT_EQ(bearer("Bearer sk-1"), "sk-1");
  EXPECT_EQ(bearer("bearer sk-1"), "sk-1");
  EXPECT_EQ(bearer("BEARER   sk-1"), "sk-1");
}

TEST(ExtractSecret, refuses_what_is_not_one_bearer_token) {
  EXPECT_EQ(bearer("Bearer"), "refused: empty key");
  EXPECT_EQ(bearer("Bearer   "), "refused: empty key");
  EXPECT_EQ(bearer("Bearer a b"), "refused: malformed key");
  EXPECT_EQ(bearer("Bearer a,b "), "refused: malformed key");
  EXPECT_EQ(bearer("Bearer\tsk-1"), "refused: authorization scheme is not bearer");
  EXPECT_EQ(bearer("Basic c2s6MQ=="), "refused: authorization scheme is not bearer");
  EXPECT_EQ(bearer("Bearers sk-1"), "refused: authorization scheme is not bearer");
  EXPECT_EQ(bearer("sk-1"), "refused: authorization scheme is not bearer");
  EXPECT_EQ(bearer("Bearer sk\x80"), "refused: malformed key");
  EXPECT_EQ(bearer(std::string_view("Bearer s\0k", 10)), "refused: malformed key");
}

TEST(ExtractSecret, takes_the_other_two_headers_as_they_are) {
  EXPECT_EQ(extract({.x_api_key = "sk-2"}), "sk-2");
  EXPECT_EQ(extract({.api_key = "sk-3"}), "sk-3");
  EXPECT_EQ(extract({.x_api_key = "Bearer sk-2"}), "refused: malformed key");
  EXPECT_EQ(extract({}), "refused: no key");
}

TEST(ExtractSecret, the_first_header_present_decides) {
  EXPECT_EQ(extract({.authorization = "Bearer a", .x_api_key = "b", .api_key = "c"}), "a");
  EXPECT_EQ(extract({.x_api_key = "b", .api_key = "c"}), "b");
  EXPECT_EQ(extract({.authorization = "Basic x", .x_api_key = "b"}),
            "refused: authorization scheme is not bearer");
}

TEST(ExtractSecret, refuses_secrets_above_the_bound) {
  EXPECT_EQ(extract({.x_api_key = std::string(kSecretBytesMax, 'k')}),
            std::string(kSecretBytesMax, 'k'));
  EXPECT_EQ(extract({.x_api_key = std::string(kSecretBytesMax + 1, 'k')}), "refused: key too long");
}

}  // namespace
}  // namespace sluice::auth
