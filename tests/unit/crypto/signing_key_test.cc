#include <sluice/crypto/signing_key.h>

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "test_identity.h"

namespace sluice::crypto {
namespace {

std::span<const uint8_t> bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string_view text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// SHA-256's algorithm in DER, as it stands before a digest of 32 bytes.
const std::string kSha256Prefix(
    "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 19);

TEST(SigningKey, tells_its_kind_and_size) {
  using Kind = SigningKey::Kind;
  const struct {
    TestKey key;
    Kind kind;
    int bits;
  } cases[] = {{TestKey::kRsa2048, Kind::kRsa, 2048},
               {TestKey::kP256, Kind::kEcdsa, 256},
               {TestKey::kP384, Kind::kEcdsa, 384},
               {TestKey::kP521, Kind::kEcdsa, 521},
               {TestKey::kEd25519, Kind::kEd25519, 256}};
  for (const auto& expected : cases) {
    const auto key = SigningKey::load(make_test_identity(expected.key).key_pem);
    ASSERT_TRUE(key) << key.error();
    EXPECT_EQ(key->kind(), expected.kind);
    EXPECT_EQ(key->bits(), expected.bits);
  }
}

TEST(SigningKey, says_why_a_key_is_refused) {
  const TestIdentity identity = make_test_identity(TestKey::kP256);
  EXPECT_EQ(SigningKey::load("").error(), "holds no private key");
  EXPECT_EQ(SigningKey::load(identity.certificate_pem).error(), "holds no private key");
  EXPECT_EQ(SigningKey::load(identity.key_pem.substr(0, identity.key_pem.size() / 2)).error(),
            "holds no private key");
  EXPECT_EQ(SigningKey::load(encrypt_test_key(identity)).error(),
            "holds a private key that needs a passphrase: store it without one");
  EXPECT_EQ(SigningKey::load(make_test_identity(TestKey::kSecp256k1).key_pem).error(),
            "holds a private key that is neither RSA nor Ed25519 nor on the curves P-256, P-384, "
            "P-521");
}

TEST(SigningKey, knows_its_certificate) {
  for (const TestKey kind : {TestKey::kRsa2048, TestKey::kP256, TestKey::kEd25519}) {
    const TestIdentity mine = make_test_identity(kind);
    const auto key = SigningKey::load(mine.key_pem);
    ASSERT_TRUE(key);
    EXPECT_TRUE(key->matches(mine.certificate_pem));
    EXPECT_FALSE(key->matches(make_test_identity(kind).certificate_pem));
    EXPECT_FALSE(key->matches("no certificate"));
  }
}

TEST(SigningKey, signs_by_ecdsa) {
  for (const TestKey kind : {TestKey::kP256, TestKey::kP384, TestKey::kP521}) {
    const TestIdentity identity = make_test_identity(kind);
    const auto key = SigningKey::load(identity.key_pem);
    ASSERT_TRUE(key);
    for (const size_t digest_bytes : {32, 48, 64}) {
      const std::string digest(digest_bytes, 'd');
      std::vector<uint8_t> signature(key->signature_bytes_max());
      const auto written = key->sign_ecdsa(bytes(digest), signature);
      ASSERT_TRUE(written);
      const std::string_view signed_text = text(std::span(signature).first(*written));
      EXPECT_TRUE(verify_test_signature(identity, digest, signed_text));
      EXPECT_FALSE(verify_test_signature(identity, std::string(digest_bytes, 'e'), signed_text));
    }
  }
}

// A modulus of 2049 bits gives an encoded text that is a byte shorter than the signature.
TEST(SigningKey, signs_by_rsa_and_recovers_what_it_signed) {
  for (const TestKey kind : {TestKey::kRsa2048, TestKey::kRsa2049}) {
    const TestIdentity identity = make_test_identity(kind);
    const auto key = SigningKey::load(identity.key_pem);
    ASSERT_TRUE(key);
    for (const size_t digest_bytes : {32, 48, 64}) {
      const std::string digest(digest_bytes, 'd');
      std::vector<uint8_t> signature(key->signature_bytes_max());
      ASSERT_EQ(key->sign_rsa_pss(bytes(digest), signature), signature.size());
      EXPECT_TRUE(verify_test_signature(identity, digest, text(signature), true));
      const auto recovered = key->recover_rsa_pss(signature, digest_bytes);
      ASSERT_TRUE(recovered);
      EXPECT_EQ(recovered->size(), 2 * digest_bytes);
    }
    const std::string digest(32, 'd');
    std::vector<uint8_t> signature(key->signature_bytes_max());
    ASSERT_EQ(key->sign_rsa_pkcs1(bytes(kSha256Prefix + digest), signature), signature.size());
    EXPECT_TRUE(verify_test_signature(identity, digest, text(signature)));
    const auto recovered = key->recover_rsa_pkcs1(signature);
    ASSERT_TRUE(recovered);
    EXPECT_EQ(text(*recovered), kSha256Prefix + digest);
  }
}

TEST(SigningKey, recovers_nothing_from_a_changed_signature) {
  const auto key = SigningKey::load(make_test_identity(TestKey::kRsa2048).key_pem);
  ASSERT_TRUE(key);
  const std::string digest(32, 'd');
  std::vector<uint8_t> pss(256);
  std::vector<uint8_t> pkcs1(256);
  ASSERT_TRUE(key->sign_rsa_pss(bytes(digest), pss));
  ASSERT_TRUE(key->sign_rsa_pkcs1(bytes(kSha256Prefix + digest), pkcs1));
  for (size_t i = 1; i < 256; i += 17) {
    std::vector<uint8_t> changed = pss;
    changed[i] ^= 1;
    EXPECT_FALSE(key->recover_rsa_pss(changed, 32));
    changed = pkcs1;
    changed[i] ^= 1;
    EXPECT_FALSE(key->recover_rsa_pkcs1(changed));
  }
  EXPECT_FALSE(key->recover_rsa_pss(std::span(pss).first(255), 32));
  EXPECT_FALSE(key->recover_rsa_pss(pss, 20));
  std::vector<uint8_t> of_other_padding = pkcs1;
  EXPECT_FALSE(key->recover_rsa_pss(of_other_padding, 32));
  of_other_padding = pss;
  EXPECT_FALSE(key->recover_rsa_pkcs1(of_other_padding));
}

TEST(SigningKey, signs_by_ed25519) {
  const TestIdentity identity = make_test_identity(TestKey::kEd25519);
  const auto key = SigningKey::load(identity.key_pem);
  ASSERT_TRUE(key);
  std::vector<uint8_t> signature(64);
  ASSERT_EQ(key->sign_ed25519(bytes("a message"), signature), 64U);
  EXPECT_TRUE(verify_test_message(identity, "a message", text(signature)));
}

TEST(SigningKey, refuses_what_its_kind_cannot_do_and_what_does_not_fit) {
  const auto rsa = SigningKey::load(make_test_identity(TestKey::kRsa2048).key_pem);
  const auto ecdsa = SigningKey::load(make_test_identity(TestKey::kP256).key_pem);
  const auto ed25519 = SigningKey::load(make_test_identity(TestKey::kEd25519).key_pem);
  ASSERT_TRUE(rsa && ecdsa && ed25519);
  const std::string digest(32, 'd');
  std::vector<uint8_t> out(512);
  EXPECT_FALSE(rsa->sign_ecdsa(bytes(digest), out));
  EXPECT_FALSE(rsa->sign_ed25519(bytes(digest), out));
  EXPECT_FALSE(ecdsa->sign_rsa_pss(bytes(digest), out));
  EXPECT_FALSE(ecdsa->sign_rsa_pkcs1(bytes(digest), out));
  EXPECT_FALSE(ecdsa->recover_rsa_pkcs1(out));
  EXPECT_FALSE(ed25519->sign_ecdsa(bytes(digest), out));
  EXPECT_FALSE(rsa->sign_rsa_pss(bytes("20 bytes of a digest"), out));
  EXPECT_FALSE(rsa->sign_rsa_pss(bytes(digest), std::span(out).first(255)));
  EXPECT_FALSE(rsa->sign_rsa_pkcs1(bytes(digest), std::span(out).first(255)));
  EXPECT_FALSE(ecdsa->sign_ecdsa(bytes(digest), std::span(out).first(16)));
  EXPECT_FALSE(ed25519->sign_ed25519(bytes(digest), std::span(out).first(63)));
}

TEST(SigningKey, signs_after_a_move) {
  const TestIdentity identity = make_test_identity(TestKey::kP256);
  auto loaded = SigningKey::load(identity.key_pem);
  ASSERT_TRUE(loaded);
  const SigningKey key = std::move(*loaded);
  std::vector<uint8_t> signature(key.signature_bytes_max());
  EXPECT_TRUE(key.sign_ecdsa(bytes(std::string(32, 'd')), signature));
}

}  // namespace
}  // namespace sluice::crypto
