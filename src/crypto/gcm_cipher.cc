#include "gcm_cipher.h"

#include <climits>
#include <cstring>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <sluice/base/assert.h>

namespace sluice::crypto {
namespace {

// Fetched once: with EVP_aes_128_gcm() libcrypto 3.0 looks the provider up at each new key. Never
// freed, since libcrypto's own end of the process may come first.
const EVP_CIPHER* cipher_for(size_t key_bytes) {
  static const EVP_CIPHER* const aes128 = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  static const EVP_CIPHER* const aes256 = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  SLUICE_ASSERT(aes128 != nullptr && aes256 != nullptr);
  return key_bytes == 16 ? aes128 : key_bytes == 32 ? aes256 : nullptr;
}

// The nonce and the text, without the tag.
bool run(EVP_CIPHER_CTX* state, const GcmText& text) noexcept {
  int written = 0;
  if (EVP_CipherInit_ex(state, nullptr, nullptr, nullptr, text.nonce.data(), -1) != 1) {
    return false;
  }
  if (!text.associated.empty() && EVP_CipherUpdate(state, nullptr, &written, text.associated.data(),
                                                   static_cast<int>(text.associated.size())) != 1) {
    return false;
  }
  return text.bytes == 0 ||
         EVP_CipherUpdate(state, text.out, &written, text.in, static_cast<int>(text.bytes)) == 1;
}

}  // namespace

void GcmCipher::Free::operator()(evp_cipher_ctx_st* state) const noexcept {
  EVP_CIPHER_CTX_free(state);
}

GcmCipher::GcmCipher() noexcept : key_{} {}

GcmCipher::~GcmCipher() { OPENSSL_cleanse(key_.data(), key_.size()); }

GcmResult GcmCipher::seal(const GcmText& text, std::span<uint8_t, kGcmTagBytes> tag) noexcept {
  const GcmResult begun = begin(text, true);
  if (begun != GcmResult::kDone) {
    return begun;
  }
  int written = 0;
  const bool ok =
      run(state_.get(), text) && EVP_CipherFinal_ex(state_.get(), tag.data(), &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(state_.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagBytes, tag.data()) == 1;
  return ok ? GcmResult::kDone : GcmResult::kFailed;
}

GcmResult GcmCipher::open(const GcmText& text,
                          std::span<const uint8_t, kGcmTagBytes> tag) noexcept {
  const GcmResult begun = begin(text, false);
  if (begun != GcmResult::kDone) {
    return begun;
  }
  std::array<uint8_t, kGcmTagBytes> expected;  // The call takes no constant bytes.
  std::memcpy(expected.data(), tag.data(), tag.size());
  if (!run(state_.get(), text) || EVP_CIPHER_CTX_ctrl(state_.get(), EVP_CTRL_AEAD_SET_TAG,
                                                      kGcmTagBytes, expected.data()) != 1) {
    return GcmResult::kFailed;
  }
  int written = 0;
  if (EVP_CipherFinal_ex(state_.get(), expected.data(), &written) != 1) {
    OPENSSL_cleanse(text.out, text.bytes);
    return GcmResult::kForged;
  }
  return GcmResult::kDone;
}

GcmResult GcmCipher::begin(const GcmText& text, bool seals) noexcept {
  if (text.bytes > INT_MAX || text.associated.size() > INT_MAX) {
    return GcmResult::kRefused;
  }
  const bool same =
      text.key.size() == key_bytes_ && CRYPTO_memcmp(key_.data(), text.key.data(), key_bytes_) == 0;
  return (same && key_bytes_ != 0) || set_key(text.key, seals) ? GcmResult::kDone
                                                               : GcmResult::kRefused;
}

bool GcmCipher::set_key(std::span<const uint8_t> key, bool seals) noexcept {
  const EVP_CIPHER* cipher = cipher_for(key.size());
  if (cipher == nullptr) {
    return false;
  }
  key_bytes_ = 0;
  if (state_ == nullptr) {
    state_.reset(EVP_CIPHER_CTX_new());
    SLUICE_ASSERT(state_ != nullptr);
  }
  if (EVP_CipherInit_ex(state_.get(), cipher, nullptr, key.data(), nullptr, seals ? 1 : 0) != 1) {
    return false;
  }
  std::memcpy(key_.data(), key.data(), key.size());
  key_bytes_ = key.size();
  return true;
}

}  // namespace sluice::crypto
