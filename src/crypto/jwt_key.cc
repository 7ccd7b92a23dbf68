#include <sluice/crypto/jwt_key.h>

#include <array>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>

#include "freed_by.h"

namespace sluice::crypto {
namespace {

constexpr size_t kP256Bytes = 32;
constexpr size_t kEd25519Bytes = 32;
constexpr size_t kEd25519SignatureBytes = 64;
constexpr size_t kExponentBytesMax = 4;

using Number = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, FreedBy<ECDSA_SIG_free>>;
using DigestOperation = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

// Leaves no error behind in the thread's queue, where a later caller would take it for its own.
template <class T>
T settled(T value) {
  ERR_clear_error();
  return value;
}

EVP_PKEY* make_key(const char* kind, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyOperationPtr operation(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* made = nullptr;
  const bool ok =
      parameters != nullptr && operation != nullptr &&
      EVP_PKEY_fromdata_init(operation.get()) == 1 &&
      EVP_PKEY_fromdata(operation.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1;
  return ok ? made : nullptr;
}

std::expected<KeyPtr, std::string_view> rsa_key(const JwkMembers& members) {
  const auto modulus = decode_base64url(members.n);
  const auto exponent = decode_base64url(members.e);
  constexpr size_t kModulusBytesMax = JwtKey::kRsaBitsMax / 8 + 1;
  if (!modulus || modulus->empty() || modulus->size() > kModulusBytesMax) {
    return std::unexpected("has no RSA modulus of 2048 to 8192 bits");
  }
  const Number n = number_of(*modulus);
  if (n == nullptr || BN_num_bits(n.get()) < JwtKey::kRsaBitsMin ||
      BN_num_bits(n.get()) > JwtKey::kRsaBitsMax) {
    return std::unexpected("has no RSA modulus of 2048 to 8192 bits");
  }
  if (!exponent || exponent->empty() || exponent->size() > kExponentBytesMax) {
    return std::unexpected("has no RSA exponent of up to 32 bits");
  }
  const Number e = number_of(*exponent);
  if (e == nullptr || BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) != 0) {
    return std::unexpected("has an RSA exponent that encrypts nothing");
  }
  const Builder builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return std::unexpected("cannot be kept");
  }
  return KeyPtr(make_key("RSA", builder.get()));
}

std::expected<KeyPtr, std::string_view> p256_key(const JwkMembers& members) {
  if (members.crv != "P-256") return std::unexpected("is of another curve than P-256");
  const auto x = decode_base64url(members.x);
  const auto y = decode_base64url(members.y);
  if (!x || !y || x->size() != kP256Bytes || y->size() != kP256Bytes) {
    return std::unexpected("has no coordinates of 32 bytes");
  }
  const std::string point = '\x04' + *x + *y;  // Uncompressed.
  const Builder builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return std::unexpected("cannot be kept");
  }
  KeyPtr key(make_key("EC", builder.get()));
  const KeyOperationPtr check(
      key == nullptr ? nullptr : EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (check == nullptr || EVP_PKEY_public_check(check.get()) != 1) {
    return std::unexpected("is no point of its curve");
  }
  return key;
}

std::expected<KeyPtr, std::string_view> ed25519_key(const JwkMembers& members) {
  if (members.crv != "Ed25519") return std::unexpected("is of another curve than Ed25519");
  const auto x = decode_base64url(members.x);
  if (!x || x->size() != kEd25519Bytes) return std::unexpected("has no x of 32 bytes");
  return KeyPtr(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*x), x->size()));
}

// Two numbers of 32 bytes as libcrypto takes them. Empty when they are not that.
std::string signature_as_der(std::string_view raw) {
  if (raw.size() != 2 * kP256Bytes) return {};
  Number r = number_of(raw.substr(0, kP256Bytes));
  Number s = number_of(raw.substr(kP256Bytes));
  const Signature signature(ECDSA_SIG_new());
  if (r == nullptr || s == nullptr || signature == nullptr ||
      ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) {
    return {};
  }
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* bytes = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &bytes);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

bool verify(EVP_PKEY* key, const EVP_MD* digest, std::string_view text,
            std::string_view signature) {
  const DigestOperation operation(EVP_MD_CTX_new());
  return operation != nullptr &&
         EVP_DigestVerifyInit(operation.get(), nullptr, digest, nullptr, key) == 1 &&
         EVP_DigestVerify(operation.get(), bytes_of(signature), signature.size(), bytes_of(text),
                          text.size()) == 1;
}

constexpr uint8_t kNoDigit = 0xff;

constexpr std::array<uint8_t, 256> make_digits() {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (size_t i = 0; i < kDigits.size(); ++i) {
    digits[static_cast<unsigned char>(kDigits[i])] = static_cast<uint8_t>(i);
  }
  return digits;
}

constexpr std::array<uint8_t, 256> kDigitOf = make_digits();

}  // namespace

std::optional<JwtAlgorithm> jwt_algorithm_of(std::string_view name) noexcept {
  if (name == "RS256") return JwtAlgorithm::kRs256;
  if (name == "ES256") return JwtAlgorithm::kEs256;
  if (name == "EdDSA") return JwtAlgorithm::kEdDsa;
  return std::nullopt;
}

void JwtKey::Free::operator()(evp_pkey_st* key) const noexcept { EVP_PKEY_free(key); }

JwtKey::JwtKey(Key key, JwtAlgorithm algorithm) noexcept
    : key_(std::move(key)), algorithm_(algorithm) {}

JwtKey::JwtKey(JwtKey&&) noexcept = default;
JwtKey& JwtKey::operator=(JwtKey&&) noexcept = default;
JwtKey::~JwtKey() = default;

std::expected<JwtKey, std::string_view> JwtKey::make(const JwkMembers& members) {
  std::expected<KeyPtr, std::string_view> key;
  JwtAlgorithm algorithm{};
  if (members.kty == "RSA") {
    key = rsa_key(members);
    algorithm = JwtAlgorithm::kRs256;
  } else if (members.kty == "EC") {
    key = p256_key(members);
    algorithm = JwtAlgorithm::kEs256;
  } else if (members.kty == "OKP") {
    key = ed25519_key(members);
    algorithm = JwtAlgorithm::kEdDsa;
  } else {
    return std::unexpected("is of a kind that signs no token here");
  }
  ERR_clear_error();
  if (!key) return std::unexpected(key.error());
  if (*key == nullptr) return std::unexpected("is no key");
  return JwtKey(Key(key->release()), algorithm);
}

bool JwtKey::has_signed(std::string_view text, std::string_view signature) const {
  switch (algorithm_) {
    case JwtAlgorithm::kRs256: return settled(verify(key_.get(), EVP_sha256(), text, signature));
    case JwtAlgorithm::kEs256: {
      const std::string der = signature_as_der(signature);
      return settled(!der.empty() && verify(key_.get(), EVP_sha256(), text, der));
    }
    case JwtAlgorithm::kEdDsa:
      return settled(signature.size() == kEd25519SignatureBytes &&
                     verify(key_.get(), nullptr, text, signature));
  }
  return false;
}

std::optional<std::string> decode_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int held = 0;
  for (const char byte : text) {
    const uint8_t digit = kDigitOf[static_cast<unsigned char>(byte)];
    if (digit == kNoDigit) return std::nullopt;
    bits = bits << 6 | digit;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes += static_cast<char>(bits >> held & 0xff);
    }
  }
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace sluice::crypto
