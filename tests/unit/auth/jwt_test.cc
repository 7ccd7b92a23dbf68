#include "jwt.h"

#include <gtest/gtest.h>

#include "test_tokens.h"

namespace sluice::auth {
namespace {

using support::encode_base64url;

constexpr int64_t kNow = 1'800'000'000;  // Unix seconds.

config::SourceSettings settings_of() {
  config::SourceSettings settings;
  settings.issuer = "https://issuer.example";
  settings.audiences = {"gateway", "other"};
  settings.leeway = seconds(60);
  return settings;
}

WallTime at(int64_t unix_seconds) { return {unix_seconds * 1'000'000}; }

std::string token_of(std::string_view header, std::string_view claims,
                     std::string_view signature = "sig") {
  return encode_base64url(header) + "." + encode_base64url(claims) + "." +
         encode_base64url(signature);
}

std::string claims_with(std::string_view more) {
  return R"({"iss":"https://issuer.example","sub":"ada","aud":"gateway","exp":1800000300)" +
         std::string(more) + "}";
}

std::string_view fault_of(const std::string& claims, WallTime now = at(kNow)) {
  const std::string token = token_of(R"({"alg":"ES256"})", claims);
  const auto jwt = parse_jwt(token);
  if (!jwt) return "it is no token";
  const auto end = check_jwt_claims(*jwt, settings_of(), now);
  return end ? "" : end.error();
}

std::string_view header_fault_of(std::string_view header) {
  const std::string token = token_of(header, "{}");
  const auto jwt = parse_jwt(token);
  if (!jwt) return "it is no token";
  const auto algorithm = check_jwt_header(*jwt, settings_of());
  return algorithm ? "" : algorithm.error();
}

TEST(ParseJwt, takes_a_token_apart) {
  const std::string token = token_of(R"({"alg":"RS256","kid":"k1"})", R"({"iss":"i"})", "xyz");
  const auto jwt = parse_jwt(token);
  ASSERT_TRUE(jwt);
  EXPECT_EQ(jwt->key_id(), "k1");
  EXPECT_EQ(jwt->issuer(), "i");
  EXPECT_EQ(jwt->signature, "xyz");
  EXPECT_EQ(jwt->signed_text, token.substr(0, token.rfind('.')));
}

TEST(ParseJwt, other_keys_are_no_tokens) {
  const std::string header = encode_base64url(R"({"alg":"RS256"})");
  const std::string claims = encode_base64url("{}");
  const std::string bad[] = {
      "",
      "sk-0123",
      ".",
      "..",
      "...",
      "a.b.c",
      header,
      header + "." + claims,
      header + "." + claims + ".AA.AA",
      header + "." + claims + ".AA.AA.AA",
      header + "." + claims + ".A",
      header + "." + claims + ".AA=",
      header + "." + claims + ". AA",
      " " + header + "." + claims + ".AA",
      header + ".." + "AA",
      "." + claims + ".AA",
      encode_base64url("[]") + "." + claims + ".AA",
      header + "." + encode_base64url("7") + ".AA",
      header + "." + encode_base64url("{} {}") + ".AA",
      header + "." + encode_base64url("{\"a\":1,\"a\":2}") + ".AA",
      encode_base64url("{\"alg\":\"none\",\"alg\":\"RS256\"}") + "." + claims + ".AA",
      header + "." + encode_base64url("{\"a\":\"\xff\"}") + ".AA"};
  for (const std::string& token : bad) EXPECT_FALSE(parse_jwt(token)) << token;
}

TEST(ParseJwt, a_cut_token_is_none_or_has_another_signature) {
  const std::string token = token_of(R"({"alg":"RS256"})", R"({"iss":"i"})", "signature!");
  for (size_t length = 0; length < token.size(); ++length) {
    const std::string cut = token.substr(0, length);
    const auto jwt = parse_jwt(cut);
    if (jwt) {
      EXPECT_NE(jwt->signature, "signature!") << length;
    }
  }
}

TEST(ParseJwt, a_huge_token_is_none) {
  const std::string claims = "{\"a\":\"" + std::string(kTokenBytesMax, 'x') + "\"}";
  EXPECT_FALSE(parse_jwt(token_of(R"({"alg":"RS256"})", claims)));
}

TEST(CheckJwtHeader, only_allowed_algorithms) {
  EXPECT_EQ(header_fault_of(R"({"alg":"RS256"})"), "");
  EXPECT_EQ(header_fault_of(R"({"alg":"ES256","typ":"JWT","kid":"a"})"), "");
  EXPECT_EQ(header_fault_of(R"({"alg":"EdDSA","typ":"at+jwt"})"), "");
  for (const auto* alg : {"none", "None", "HS256", "HS512", "RS512", "PS256", ""}) {
    EXPECT_EQ(header_fault_of(R"({"alg":")" + std::string(alg) + "\"}"),
              "its algorithm is not allowed")
        << alg;
  }
  for (const auto* header : {"{}", R"({"alg":7})", R"({"alg":null})", R"({"alg":["RS256"]})"}) {
    EXPECT_EQ(header_fault_of(header), "its algorithm is not allowed") << header;
  }
  config::SourceSettings settings = settings_of();
  settings.algorithms = {"ES256"};
  const std::string token = token_of(R"({"alg":"RS256"})", "{}");
  EXPECT_FALSE(check_jwt_header(*parse_jwt(token), settings));
}

TEST(CheckJwtHeader, what_is_not_understood_is_refused) {
  EXPECT_NE(header_fault_of(R"({"alg":"RS256","crit":["exp"]})"), "");
  EXPECT_NE(header_fault_of(R"({"alg":"RS256","crit":[]})"), "");
  EXPECT_NE(header_fault_of(R"({"alg":"RS256","typ":"logout+jwt"})"), "");
  EXPECT_NE(header_fault_of(R"({"alg":"RS256","typ":7})"), "");
  EXPECT_NE(header_fault_of(R"({"alg":"RS256","kid":7})"), "");
  EXPECT_NE(header_fault_of(R"({"alg":"RS256","kid":""})"), "");
}

TEST(CheckJwtClaims, a_good_token_ends_with_its_leeway) {
  const std::string token = token_of(R"({"alg":"ES256"})", claims_with(""));
  const auto end = check_jwt_claims(*parse_jwt(token), settings_of(), at(kNow));
  ASSERT_TRUE(end);
  EXPECT_EQ(*end, at(kNow + 360));
}

TEST(CheckJwtClaims, times_are_kept_with_leeway) {
  EXPECT_EQ(fault_of(claims_with(""), {at(kNow + 360).unix_us - 1}), "");
  EXPECT_EQ(fault_of(claims_with(""), at(kNow + 360)), "it has expired");
  EXPECT_EQ(fault_of(claims_with(R"(,"nbf":1800000060)")), "");
  EXPECT_EQ(fault_of(claims_with(R"(,"nbf":1800000061)")), "it is not good yet");
  EXPECT_EQ(fault_of(claims_with(R"(,"iat":1800000060.0)")), "");
  EXPECT_EQ(fault_of(claims_with(R"(,"iat":1800000060.5)")), "it was issued in the future");
}

TEST(CheckJwtClaims, times_that_are_none_are_refused) {
  for (const auto* time : {"-1", "\"1800000000\"", "null", "1e300", "true", "[]"}) {
    const std::string value = time;
    EXPECT_NE(fault_of(claims_with(",\"nbf\":" + value)), "") << time;
    EXPECT_NE(fault_of(claims_with(",\"iat\":" + value)), "") << time;
    EXPECT_NE(fault_of(R"({"iss":"https://issuer.example","sub":"a","aud":"gateway","exp":)" +
                       value + "}"),
              "")
        << time;
  }
  EXPECT_EQ(fault_of(R"({"iss":"https://issuer.example","sub":"a","aud":"gateway"})"),
            "it has no usable exp");
}

TEST(CheckJwtClaims, the_issuer_must_be_the_same_byte_for_byte) {
  for (const auto* issuer : {"\"https://issuer.example/\"", "\"https://ISSUER.example\"", "\"\"",
                             "null", "[\"https://issuer.example\"]"}) {
    EXPECT_EQ(fault_of(R"({"sub":"a","aud":"gateway","exp":1800000300,"iss":)" +
                       std::string(issuer) + "}"),
              "it is of another issuer")
        << issuer;
  }
}

TEST(CheckJwtClaims, one_of_our_audiences_must_be_named) {
  const auto with = [](std::string_view audience) {
    return R"({"iss":"https://issuer.example","sub":"a","exp":1800000300,"aud":)" +
           std::string(audience) + "}";
  };
  EXPECT_EQ(fault_of(with(R"(["x","other"])")), "");
  for (const auto* audience : {"\"x\"", "\"gateway2\"", "[]", "[\"x\"]", "[[\"gateway\"]]", "null",
                               "7", "{\"gateway\":1}"}) {
    EXPECT_EQ(fault_of(with(audience)), "it is for another audience") << audience;
  }
}

TEST(CheckJwtClaims, a_subject_is_needed) {
  for (const auto* subject : {"\"\"", "7", "null", "[\"a\"]"}) {
    EXPECT_EQ(
        fault_of(R"({"iss":"https://issuer.example","aud":"gateway","exp":1800000300,"sub":)" +
                 std::string(subject) + "}"),
        "it has no usable subject")
        << subject;
  }
}

TEST(FindClaim, the_whole_name_goes_before_a_path) {
  const auto claims = json::parse_value(
      R"({"a":{"b":{"c":1}},"a.b":{"c":2,"d":3},"https://x.example/team":4,"e":5})");
  ASSERT_TRUE(claims);
  const auto number = [&](std::string_view path) {
    const json::Value* value = find_claim(*claims, path);
    int64_t found = 0;
    return value != nullptr && value->as_integer(found) ? found : -1;
  };
  EXPECT_EQ(number("a.b.c"), 1);
  EXPECT_EQ(number("a.b.d"), 3);
  EXPECT_EQ(number("https://x.example/team"), 4);
  EXPECT_EQ(number("e"), 5);
  for (const auto* path : {"", ".", "a.", ".a", "a.x", "e.f", "a.b.c.d"}) {
    EXPECT_EQ(number(path), -1) << path;
  }
}

}  // namespace
}  // namespace sluice::auth
