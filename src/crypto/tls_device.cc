#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/cryptocb.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/wc_port.h>

#include <sluice/base/assert.h>
#include <sluice/crypto/tls_device.h>

#include "gcm_cipher.h"
#include "tls_device_keys.h"

// No header of libcrypto here: wolfSSL's options switch parts of those off.

namespace sluice::crypto {
namespace {

constexpr int kDeviceId = 0x51ce;

thread_local CipherContexts* scope_contexts = nullptr;

int answer(GcmResult result) {
  switch (result) {
    case GcmResult::kDone: return 0;
    case GcmResult::kRefused: return CRYPTOCB_UNAVAILABLE;
    case GcmResult::kForged: return AES_GCM_AUTH_E;
    case GcmResult::kFailed: break;
  }
  return WC_HW_E;
}

// `Call` is wolfCrypt's structure of either direction.
template <typename Call>
bool is_usual(const Call& call) {
  return scope_contexts != nullptr && call.aes != nullptr && call.ivSz == kGcmNonceBytes &&
         call.iv != nullptr && call.authTag != nullptr && call.authTagSz == kGcmTagBytes &&
         (call.sz == 0 || (call.in != nullptr && call.out != nullptr)) &&
         (call.authInSz == 0 || call.authIn != nullptr) && call.aes->keylen > 0 &&
         static_cast<size_t>(call.aes->keylen) <= sizeof(call.aes->devKey);
}

template <typename Call>
GcmText text_of(const Call& call) {
  const auto* key = reinterpret_cast<const uint8_t*>(call.aes->devKey);
  return GcmText{.key = {key, static_cast<size_t>(call.aes->keylen)},
                 .nonce = std::span<const uint8_t, kGcmNonceBytes>(call.iv, kGcmNonceBytes),
                 .associated = {call.authIn, call.authInSz},
                 .in = call.in,
                 .out = call.out,
                 .bytes = call.sz};
}

int run_cipher(const wc_CryptoInfo& call) {
  if (call.cipher.type != WC_CIPHER_AES_GCM) {
    return CRYPTOCB_UNAVAILABLE;
  }
  if (call.cipher.enc != 0) {
    const auto& seal = call.cipher.aesgcm_enc;
    return is_usual(seal)
               ? answer(scope_contexts->sealing().seal(
                     text_of(seal), std::span<uint8_t, kGcmTagBytes>(seal.authTag, kGcmTagBytes)))
               : CRYPTOCB_UNAVAILABLE;
  }
  const auto& open = call.cipher.aesgcm_dec;
  return is_usual(open) ? answer(scope_contexts->opening().open(
                              text_of(open),
                              std::span<const uint8_t, kGcmTagBytes>(open.authTag, kGcmTagBytes)))
                        : CRYPTOCB_UNAVAILABLE;
}

int take_call(int, wc_CryptoInfo* call, void*) {
  if (call == nullptr) {
    return BAD_FUNC_ARG;
  }
  switch (call->algo_type) {
    case WC_ALGO_TYPE_CIPHER: return run_cipher(*call);
    case WC_ALGO_TYPE_PK: return run_public_key(*call);
    default: return CRYPTOCB_UNAVAILABLE;
  }
}

int register_device() {
  // Counted by wolfCrypt. It is never taken back, so that no other use of the library empties the
  // table of devices by its own clean-up.
  SLUICE_ASSERT(wolfCrypt_Init() == 0);
  SLUICE_ASSERT(wc_CryptoCb_RegisterDevice(kDeviceId, take_call, nullptr) == 0);
  return kDeviceId;
}

}  // namespace

int tls_device_id() {
  static const int id = register_device();
  return id;
}

CipherContexts::CipherContexts() noexcept = default;
CipherContexts::~CipherContexts() = default;

GcmCipher& CipherContexts::sealing() {
  if (sealing_ == nullptr) {
    sealing_ = std::make_unique<GcmCipher>();
  }
  return *sealing_;
}

GcmCipher& CipherContexts::opening() {
  if (opening_ == nullptr) {
    opening_ = std::make_unique<GcmCipher>();
  }
  return *opening_;
}

CipherScope::CipherScope(CipherContexts& contexts) noexcept {
  SLUICE_ASSERT(scope_contexts == nullptr);
  scope_contexts = &contexts;
}

CipherScope::~CipherScope() { scope_contexts = nullptr; }

}  // namespace sluice::crypto
