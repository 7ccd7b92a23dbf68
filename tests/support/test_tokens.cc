#include "test_tokens.h"

#include <vector>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <sluice/base/assert.h>

namespace sluice::support {
namespace {

EVP_PKEY* generate(TokenKeyKind kind) {
  switch (kind) {
    case TokenKeyKind::kRsa2048: return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048});
    case TokenKeyKind::kRsa1024: return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{1024});
    case TokenKeyKind::kP256: return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
    case TokenKeyKind::kP384: return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384");
    case TokenKeyKind::kEd25519: return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  }
  return nullptr;
}

std::string bytes_of(const BIGNUM* number, int size) {
  std::string bytes(static_cast<size_t>(size), '\0');
  SLUICE_ASSERT(BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), size) == size);
  return bytes;
}

std::string raw_of(const std::string& der, int size) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size()));
  SLUICE_ASSERT(signature != nullptr);
  std::string raw = bytes_of(ECDSA_SIG_get0_r(signature), size);
  raw += bytes_of(ECDSA_SIG_get0_s(signature), size);
  ECDSA_SIG_free(signature);
  return raw;
}

}  // namespace

std::string encode_base64url(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    const size_t count = std::min<size_t>(bytes.size() - i, 3);
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k <= count; ++k) text += kDigits[bits >> (18 - 6 * k) & 63];
  }
  return text;
}

TokenKey::TokenKey(TokenKeyKind kind) : kind_(kind), key_(generate(kind)) {
  SLUICE_ASSERT(key_ != nullptr);
}

TokenKey::~TokenKey() { EVP_PKEY_free(key_); }

std::string TokenKey::parameter(std::string_view name) const {
  if (kind_ == TokenKeyKind::kEd25519) {
    std::string raw(32, '\0');
    size_t size = raw.size();
    SLUICE_ASSERT(name == "x" &&
                  EVP_PKEY_get_raw_public_key(key_, reinterpret_cast<unsigned char*>(raw.data()),
                                              &size) == 1);
    return encode_base64url(raw);
  }
  const char* word = name == "n"   ? OSSL_PKEY_PARAM_RSA_N
                     : name == "e" ? OSSL_PKEY_PARAM_RSA_E
                     : name == "x" ? OSSL_PKEY_PARAM_EC_PUB_X
                                   : OSSL_PKEY_PARAM_EC_PUB_Y;
  BIGNUM* number = nullptr;
  SLUICE_ASSERT(EVP_PKEY_get_bn_param(key_, word, &number) == 1);
  const bool is_curve = name == "x" || name == "y";
  const int size = is_curve ? (EVP_PKEY_get_bits(key_) + 7) / 8 : BN_num_bytes(number);
  std::string text = encode_base64url(bytes_of(number, size));
  BN_free(number);
  return text;
}

std::string TokenKey::jwk(std::string_view kid, std::string_view more) const {
  std::string text = "{";
  switch (kind_) {
    case TokenKeyKind::kRsa2048:
    case TokenKeyKind::kRsa1024:
      text += R"("kty":"RSA","n":")" + parameter("n") + R"(","e":")" + parameter("e") + '"';
      break;
    case TokenKeyKind::kP256:
    case TokenKeyKind::kP384:
      text += R"("kty":"EC","crv":")";
      text += kind_ == TokenKeyKind::kP256 ? "P-256" : "P-384";
      text += R"(","x":")" + parameter("x") + R"(","y":")" + parameter("y") + '"';
      break;
    case TokenKeyKind::kEd25519:
      text += R"("kty":"OKP","crv":"Ed25519","x":")" + parameter("x") + '"';
      break;
  }
  if (!kid.empty()) text.append(R"(,"kid":")").append(kid).append(1, '"');
  return text.append(more).append(1, '}');
}

std::string TokenKey::sign(std::string_view text) const {
  const bool has_digest = kind_ != TokenKeyKind::kEd25519;
  EVP_MD_CTX* operation = EVP_MD_CTX_new();
  SLUICE_ASSERT(EVP_DigestSignInit(operation, nullptr, has_digest ? EVP_sha256() : nullptr, nullptr,
                                   key_) == 1);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t size = 0;
  SLUICE_ASSERT(EVP_DigestSign(operation, nullptr, &size, bytes, text.size()) == 1);
  std::string signature(size, '\0');
  SLUICE_ASSERT(EVP_DigestSign(operation, reinterpret_cast<unsigned char*>(signature.data()), &size,
                               bytes, text.size()) == 1);
  EVP_MD_CTX_free(operation);
  signature.resize(size);
  if (kind_ == TokenKeyKind::kP256) return raw_of(signature, 32);
  if (kind_ == TokenKeyKind::kP384) return raw_of(signature, 48);
  return signature;
}

std::string TokenKey::token(std::string_view header, std::string_view claims) const {
  std::string text = encode_base64url(header) + '.' + encode_base64url(claims);
  return text + '.' + encode_base64url(sign(text));
}

}  // namespace sluice::support
