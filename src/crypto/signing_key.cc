#include <sluice/crypto/signing_key.h>

#include <algorithm>
#include <array>
#include <climits>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <sluice/base/assert.h>

#include "x509.h"

namespace sluice::crypto {
namespace {

// Without it libcrypto asks the terminal for the passphrase.
int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

std::optional<SigningKey::Kind> kind_of(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    return SigningKey::Kind::kRsa;
  }
  if (EVP_PKEY_is_a(key, "ED25519") == 1) {
    return SigningKey::Kind::kEd25519;
  }
  std::array<char, 64> group;
  size_t length = 0;
  if (EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) != 1) {
    return std::nullopt;
  }
  const std::string_view name(group.data(), length);
  const bool known = name == "prime256v1" || name == "P-256" || name == "secp384r1" ||
                     name == "P-384" || name == "secp521r1" || name == "P-521";
  return known ? std::optional(SigningKey::Kind::kEcdsa) : std::nullopt;
}

const EVP_MD* hash_of(size_t digest_bytes) {
  switch (digest_bytes) {
    case 32: return EVP_sha256();
    case 48: return EVP_sha384();
    case 64: return EVP_sha512();
    default: return nullptr;
  }
}

// A signature that is begun with `padding`, or with 0 for a key that has none.
KeyOperationPtr begin_signature(EVP_PKEY* key, int padding) {
  KeyOperationPtr operation(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  SLUICE_ASSERT(operation != nullptr);
  const bool ok = EVP_PKEY_sign_init(operation.get()) == 1 &&
                  (padding == 0 || EVP_PKEY_CTX_set_rsa_padding(operation.get(), padding) == 1);
  return ok ? std::move(operation) : nullptr;
}

std::optional<size_t> sign(EVP_PKEY_CTX* operation, std::span<const uint8_t> text,
                           std::span<uint8_t> out) {
  size_t written = out.size();
  if (EVP_PKEY_sign(operation, out.data(), &written, text.data(), text.size()) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return written;
}

// RFC 8017's mask of `seed`, laid over `masked`.
bool unmask(std::span<const uint8_t> seed, std::span<uint8_t> masked) {
  const EVP_MD* hash = hash_of(seed.size());
  std::array<uint8_t, EVP_MAX_MD_SIZE + 4> input;
  std::array<uint8_t, EVP_MAX_MD_SIZE> mask;
  std::ranges::copy(seed, input.begin());
  uint32_t count = 0;
  for (size_t done = 0; done < masked.size(); done += seed.size(), ++count) {
    for (size_t i = 0; i < 4; ++i) {
      input[seed.size() + i] = static_cast<uint8_t>(count >> (24 - 8 * i));
    }
    if (EVP_Digest(input.data(), seed.size() + 4, mask.data(), nullptr, hash, nullptr) != 1) {
      return false;
    }
    for (size_t i = 0; i < std::min(seed.size(), masked.size() - done); ++i) {
      masked[done + i] = static_cast<uint8_t>(masked[done + i] ^ mask[i]);
    }
  }
  return true;
}

}  // namespace

void SigningKey::Free::operator()(evp_pkey_st* key) const noexcept { EVP_PKEY_free(key); }

std::expected<SigningKey, std::string> SigningKey::load(std::string_view pem) {
  bool asked = false;
  Key key(PEM_read_bio_PrivateKey(open_bytes(pem).get(), nullptr, refuse_passphrase, &asked));
  ERR_clear_error();
  if (asked) {
    return std::unexpected("holds a private key that needs a passphrase: store it without one");
  }
  if (key == nullptr) {
    return std::unexpected("holds no private key");
  }
  const std::optional<Kind> kind = kind_of(key.get());
  if (!kind) {
    return std::unexpected(
        "holds a private key that is neither RSA nor Ed25519 nor on the curves P-256, P-384, "
        "P-521");
  }
  return SigningKey(std::move(key), *kind);
}

SigningKey::SigningKey(Key key, Kind kind) noexcept : key_(std::move(key)), kind_(kind) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

int SigningKey::bits() const noexcept { return EVP_PKEY_get_bits(key_.get()); }

size_t SigningKey::signature_bytes_max() const noexcept {
  return static_cast<size_t>(EVP_PKEY_get_size(key_.get()));
}

bool SigningKey::matches(std::string_view pem) const {
  const CertificatePtr certificate(
      PEM_read_bio_X509(open_bytes(pem).get(), nullptr, nullptr, nullptr));
  const bool same =
      certificate != nullptr && X509_check_private_key(certificate.get(), key_.get()) == 1;
  ERR_clear_error();
  return same;
}

std::optional<size_t> SigningKey::sign_ecdsa(std::span<const uint8_t> digest,
                                             std::span<uint8_t> out) const {
  if (kind_ != Kind::kEcdsa || out.size() < signature_bytes_max()) {
    return std::nullopt;
  }
  const KeyOperationPtr operation = begin_signature(key_.get(), 0);
  return operation == nullptr ? std::nullopt : sign(operation.get(), digest, out);
}

std::optional<size_t> SigningKey::sign_rsa_pss(std::span<const uint8_t> digest,
                                               std::span<uint8_t> out) const {
  const EVP_MD* hash = hash_of(digest.size());
  if (kind_ != Kind::kRsa || hash == nullptr || out.size() < signature_bytes_max()) {
    return std::nullopt;
  }
  const KeyOperationPtr operation = begin_signature(key_.get(), RSA_PKCS1_PSS_PADDING);
  if (operation == nullptr || EVP_PKEY_CTX_set_signature_md(operation.get(), hash) != 1 ||
      EVP_PKEY_CTX_set_rsa_pss_saltlen(operation.get(), RSA_PSS_SALTLEN_DIGEST) != 1) {
    return std::nullopt;
  }
  return sign(operation.get(), digest, out);
}

std::optional<size_t> SigningKey::sign_rsa_pkcs1(std::span<const uint8_t> digest_info,
                                                 std::span<uint8_t> out) const {
  if (kind_ != Kind::kRsa || out.size() < signature_bytes_max()) {
    return std::nullopt;
  }
  const KeyOperationPtr operation = begin_signature(key_.get(), RSA_PKCS1_PADDING);
  return operation == nullptr ? std::nullopt : sign(operation.get(), digest_info, out);
}

std::optional<size_t> SigningKey::sign_ed25519(std::span<const uint8_t> message,
                                               std::span<uint8_t> out) const {
  if (kind_ != Kind::kEd25519) {
    return std::nullopt;
  }
  const std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>> operation(EVP_MD_CTX_new());
  size_t written = out.size();
  const bool ok =
      EVP_DigestSignInit(operation.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestSign(operation.get(), out.data(), &written, message.data(), message.size()) == 1;
  ERR_clear_error();
  return ok ? std::optional(written) : std::nullopt;
}

std::optional<std::span<uint8_t>> SigningKey::recover_rsa_pkcs1(
    std::span<uint8_t> signature) const {
  // 00 01 ff .. ff 00, with eight times ff or more.
  if (!recover_rsa(signature) || signature[0] != 0 || signature[1] != 1) {
    return std::nullopt;
  }
  size_t i = 2;
  while (i < signature.size() && signature[i] == 0xff) {
    ++i;
  }
  if (i < 10 || i == signature.size() || signature[i] != 0) {
    return std::nullopt;
  }
  return signature.subspan(i + 1);
}

std::optional<std::span<uint8_t>> SigningKey::recover_rsa_pss(std::span<uint8_t> signature,
                                                              size_t digest_bytes) const {
  if (hash_of(digest_bytes) == nullptr || signature.size() < 2 * digest_bytes + 3 ||
      !recover_rsa(signature)) {
    return std::nullopt;
  }
  // RFC 8017, 9.1.2: the masked block, the hash, bc; the highest bits are 0.
  const int top_bits = (bits() - 1) % 8;
  const auto text = top_bits == 0 ? signature.subspan(1) : signature;
  const auto block = text.first(text.size() - digest_bytes - 1);
  const auto hash = text.subspan(block.size(), digest_bytes);
  const auto first_mask = static_cast<uint8_t>(top_bits == 0 ? 0xff : (1 << top_bits) - 1);
  if ((signature[0] & ~(top_bits == 0 ? 0 : first_mask)) != 0 || text.back() != 0xbc ||
      !unmask(hash, block)) {
    return std::nullopt;
  }
  block[0] &= first_mask;
  const size_t zeros = block.size() - digest_bytes - 1;
  if (block[zeros] != 1 ||
      !std::ranges::all_of(block.first(zeros), [](uint8_t byte) { return byte == 0; })) {
    return std::nullopt;
  }
  return text.subspan(zeros + 1, 2 * digest_bytes);
}

// The public operation in place, without regard to padding.
bool SigningKey::recover_rsa(std::span<uint8_t> signature) const {
  if (kind_ != Kind::kRsa || signature.size() != signature_bytes_max()) {
    return false;
  }
  const KeyOperationPtr operation(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  SLUICE_ASSERT(operation != nullptr);
  size_t written = signature.size();
  const bool ok = EVP_PKEY_verify_recover_init(operation.get()) == 1 &&
                  EVP_PKEY_CTX_set_rsa_padding(operation.get(), RSA_NO_PADDING) == 1 &&
                  EVP_PKEY_verify_recover(operation.get(), signature.data(), &written,
                                          signature.data(), signature.size()) == 1 &&
                  written == signature.size();
  ERR_clear_error();
  return ok;
}

}  // namespace sluice::crypto
