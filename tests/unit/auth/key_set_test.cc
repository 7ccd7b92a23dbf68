#include "key_set.h"

#include <gtest/gtest.h>

#include "test_tokens.h"

namespace sluice::auth {
namespace {

using crypto::JwtAlgorithm;
using support::TokenKey;
using support::TokenKeyKind;

std::string set_of(std::initializer_list<std::string> keys) {
  std::string text = R"({"keys":[)";
  for (const std::string& key : keys) {
    if (!text.ends_with('[')) text += ',';
    text += key;
  }
  return text + "]}";
}

TEST(KeySet, finds_a_key_by_id_and_algorithm) {
  const TokenKey rsa(TokenKeyKind::kRsa2048);
  const TokenKey p256(TokenKeyKind::kP256);
  const TokenKey edwards(TokenKeyKind::kEd25519);
  const auto set = KeySet::parse(set_of({rsa.jwk("r"), p256.jwk("p"), edwards.jwk("e")}));
  ASSERT_TRUE(set) << set.error();
  EXPECT_EQ(set->size(), 3u);
  EXPECT_TRUE(set->has_signed("r", JwtAlgorithm::kRs256, "t", rsa.sign("t")));
  EXPECT_TRUE(set->has_signed("p", JwtAlgorithm::kEs256, "t", p256.sign("t")));
  EXPECT_TRUE(set->has_signed("e", JwtAlgorithm::kEdDsa, "t", edwards.sign("t")));
  // By no other id, and for no other algorithm.
  EXPECT_FALSE(set->has_signed("p", JwtAlgorithm::kRs256, "t", rsa.sign("t")));
  EXPECT_FALSE(set->knows("r", JwtAlgorithm::kEs256));
  EXPECT_FALSE(set->knows("x", JwtAlgorithm::kRs256));
}

TEST(KeySet, a_token_without_id_needs_the_only_key_of_its_algorithm) {
  const TokenKey one(TokenKeyKind::kP256);
  const TokenKey two(TokenKeyKind::kP256);
  const auto alone = KeySet::parse(set_of({one.jwk("")}));
  ASSERT_TRUE(alone);
  EXPECT_TRUE(alone->has_signed("", JwtAlgorithm::kEs256, "t", one.sign("t")));
  EXPECT_FALSE(alone->knows("a", JwtAlgorithm::kEs256));
  const auto both = KeySet::parse(set_of({one.jwk("a"), two.jwk("b")}));
  ASSERT_TRUE(both);
  EXPECT_FALSE(both->has_signed("", JwtAlgorithm::kEs256, "t", one.sign("t")));
}

TEST(KeySet, keys_of_one_id_are_all_tried) {
  const TokenKey one(TokenKeyKind::kP256);
  const TokenKey two(TokenKeyKind::kP256);
  const auto set = KeySet::parse(set_of({one.jwk("a"), two.jwk("a")}));
  ASSERT_TRUE(set);
  EXPECT_TRUE(set->has_signed("a", JwtAlgorithm::kEs256, "t", two.sign("t")));
}

TEST(KeySet, keys_for_something_else_are_passed_over) {
  const TokenKey good(TokenKeyKind::kP256);
  const TokenKey weak(TokenKeyKind::kRsa1024);
  const auto set = KeySet::parse(set_of(
      {good.jwk("enc", R"(,"use":"enc")"), good.jwk("use", R"(,"use":7)"),
       good.jwk("ops", R"(,"key_ops":["sign"])"), good.jwk("alg", R"(,"alg":"ES384")"),
       good.jwk("hs", R"(,"alg":"HS256")"), weak.jwk("weak"),
       R"({"kty":"oct","k":"AAAA","kid":"o"})", "7", "null", "{}", R"({"kty":"EC","kid":7})",
       good.jwk("ok", R"(,"use":"sig","key_ops":["verify"],"alg":"ES256","x5c":["AAAA"])")}));
  ASSERT_TRUE(set) << set.error();
  EXPECT_EQ(set->size(), 1u);
  EXPECT_TRUE(set->knows("ok", JwtAlgorithm::kEs256));
}

TEST(KeySet, what_is_no_set_is_told) {
  const TokenKey key(TokenKeyKind::kEd25519);
  EXPECT_EQ(KeySet::parse("").error(), "the key set is no valid JSON");
  EXPECT_EQ(KeySet::parse("<html>").error(), "the key set is no valid JSON");
  EXPECT_EQ(KeySet::parse("{}").error(), "the key set has no list `keys`");
  EXPECT_EQ(KeySet::parse("[]").error(), "the key set has no list `keys`");
  EXPECT_EQ(KeySet::parse(R"({"keys":{}})").error(), "the key set has no list `keys`");
  EXPECT_EQ(KeySet::parse(set_of({})).error(), "the key set has no key for RS256, ES256 or EdDSA");
  std::string many = R"({"keys":[)" + key.jwk("a");
  for (size_t i = 0; i < KeySet::kKeysMost; ++i) many += ",{}";
  EXPECT_EQ(KeySet::parse(many + "]}").error(), "the key set has more than 64 keys");
}

}  // namespace
}  // namespace sluice::auth
