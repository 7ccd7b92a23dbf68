#include <sluice/crypto/jwt_key.h>

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "test_tokens.h"

namespace sluice::crypto {
namespace {

using support::encode_base64url;
using support::TokenKey;
using support::TokenKeyKind;

constexpr std::string_view kText = "eyJhbGciOiJub25lIn0.e30";

struct OwnedMembers {
  std::string kty, crv, n, e, x, y;
  [[nodiscard]] JwkMembers view() const { return {kty, crv, n, e, x, y}; }
};

OwnedMembers members_of(const TokenKey& key, TokenKeyKind kind) {
  switch (kind) {
    case TokenKeyKind::kRsa2048:
    case TokenKeyKind::kRsa1024:
      return {.kty = "RSA", .n = key.parameter("n"), .e = key.parameter("e")};
    case TokenKeyKind::kEd25519: return {.kty = "OKP", .crv = "Ed25519", .x = key.parameter("x")};
    default: break;
  }
  return {.kty = "EC",
          .crv = kind == TokenKeyKind::kP256 ? "P-256" : "P-384",
          .x = key.parameter("x"),
          .y = key.parameter("y")};
}

TEST(JwtKey, each_algorithm_verifies_its_own_signatures_and_no_others) {
  const std::pair<TokenKeyKind, JwtAlgorithm> kinds[] = {
      {TokenKeyKind::kRsa2048, JwtAlgorithm::kRs256},
      {TokenKeyKind::kP256, JwtAlgorithm::kEs256},
      {TokenKeyKind::kEd25519, JwtAlgorithm::kEdDsa}};
  for (const auto& [kind, algorithm] : kinds) {
    const TokenKey mine(kind);
    const TokenKey other(kind);
    const auto key = JwtKey::make(members_of(mine, kind).view());
    ASSERT_TRUE(key) << key.error();
    EXPECT_EQ(key->algorithm(), algorithm);
    const std::string signature = mine.sign(kText);
    EXPECT_TRUE(key->has_signed(kText, signature));
    EXPECT_FALSE(key->has_signed(std::string(kText) + "x", signature));
    EXPECT_FALSE(key->has_signed(kText, other.sign(kText)));
    EXPECT_FALSE(key->has_signed(kText, ""));
    EXPECT_FALSE(key->has_signed(kText, signature + '\0'));
    EXPECT_FALSE(key->has_signed(kText, signature.substr(1)));
    for (size_t i = 0; i < signature.size(); i += 7) {
      std::string changed = signature;
      changed[i] = static_cast<char>(changed[i] ^ 1);
      EXPECT_FALSE(key->has_signed(kText, changed)) << i;
    }
    EXPECT_TRUE(key->has_signed(kText, signature));
  }
}

TEST(JwtKey, an_es256_signature_of_zeros_or_in_der_is_refused) {
  const TokenKey mine(TokenKeyKind::kP256);
  const auto key = JwtKey::make(members_of(mine, TokenKeyKind::kP256).view());
  ASSERT_TRUE(key);
  EXPECT_FALSE(key->has_signed(kText, std::string(64, '\0')));
  EXPECT_FALSE(key->has_signed(kText, std::string(64, '\xff')));
  EXPECT_FALSE(key->has_signed(kText, std::string("\x30\x06\x02\x01\x01\x02\x01\x01", 8)));
}

TEST(JwtKey, a_short_rsa_modulus_is_refused) {
  const TokenKey key(TokenKeyKind::kRsa1024);
  const auto made = JwtKey::make(members_of(key, TokenKeyKind::kRsa1024).view());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), "has no RSA modulus of 2048 to 8192 bits");
}

TEST(JwtKey, a_huge_rsa_modulus_is_refused) {
  const std::string n = encode_base64url(std::string(2000, '\xff'));
  EXPECT_FALSE(JwtKey::make({.kty = "RSA", .n = n, .e = "AQAB"}));
}

TEST(JwtKey, weak_rsa_exponents_are_refused) {
  const TokenKey key(TokenKeyKind::kRsa2048);
  OwnedMembers members = members_of(key, TokenKeyKind::kRsa2048);
  for (const std::string_view bytes :
       {std::string_view(""), std::string_view("\x01"), std::string_view("\x02"),
        std::string_view("\0", 1), std::string_view("\x01\x01\x01\x01\x01")}) {
    members.e = encode_base64url(bytes);
    EXPECT_FALSE(JwtKey::make(members.view())) << members.e;
  }
}

TEST(JwtKey, other_curves_and_kinds_are_refused) {
  const TokenKey key(TokenKeyKind::kP384);
  OwnedMembers members = members_of(key, TokenKeyKind::kP384);
  EXPECT_FALSE(JwtKey::make(members.view()));
  members.crv = "P-256";
  EXPECT_FALSE(JwtKey::make(members.view()));
  EXPECT_FALSE(JwtKey::make({.kty = "oct", .n = "AQAB"}));
  EXPECT_FALSE(JwtKey::make({.kty = "OKP", .crv = "Ed448", .x = "AA"}));
  EXPECT_FALSE(JwtKey::make({.kty = "OKP", .crv = "Ed25519", .x = "AA"}));
  EXPECT_FALSE(JwtKey::make({}));
}

TEST(JwtKey, a_point_off_the_curve_is_refused) {
  const TokenKey key(TokenKeyKind::kP256);
  OwnedMembers members = members_of(key, TokenKeyKind::kP256);
  std::swap(members.x, members.y);
  EXPECT_FALSE(JwtKey::make(members.view()));
  members.x = members.y = encode_base64url(std::string(32, '\0'));
  EXPECT_FALSE(JwtKey::make(members.view()));
}

TEST(JwtKey, only_three_algorithms_have_a_name) {
  EXPECT_EQ(jwt_algorithm_of("RS256"), JwtAlgorithm::kRs256);
  EXPECT_EQ(jwt_algorithm_of("ES256"), JwtAlgorithm::kEs256);
  EXPECT_EQ(jwt_algorithm_of("EdDSA"), JwtAlgorithm::kEdDsa);
  for (const auto* name : {"", "none", "None", "NONE", "HS256", "HS512", "rs256", "RS256 ", "RS512",
                           "PS256", "ES384", "ES256K", "Ed25519"}) {
    EXPECT_FALSE(jwt_algorithm_of(name)) << name;
  }
}

TEST(Base64Url, decodes_what_was_encoded) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(decode_base64url(encode_base64url(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Base64Url, is_strict) {
  EXPECT_EQ(decode_base64url("-_8"), "\xfb\xff");
  for (const auto* text : {"A", "AAAAA", "AA==", "AA=", "+_8A", "/_8A", "AA A", "AA\nA", "AB",
                           "AAB", "AA.A", "\xc3\xa4"}) {
    EXPECT_FALSE(decode_base64url(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::crypto
