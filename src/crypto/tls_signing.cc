#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/hash.h>

#include <sluice/crypto/tls_signing.h>

namespace sluice::crypto {
namespace {

// wolfSSL's shape of a key's operation that writes a signature: `key` is what set_signing_key()
// gave.
template <auto sign>
int sign_for_session(WOLFSSL*, const unsigned char* text, unsigned int bytes, unsigned char* out,
                     unsigned int* out_bytes, const unsigned char*, unsigned int, void* key) {
  if (key == nullptr) {
    return NO_PRIVATE_KEY;
  }
  const auto written =
      (static_cast<const SigningKey*>(key)->*sign)({text, bytes}, {out, *out_bytes});
  if (!written) {
    return WC_HW_E;
  }
  *out_bytes = static_cast<unsigned int>(*written);
  return 0;
}

int sign_pss(WOLFSSL* session, const unsigned char* digest, unsigned int bytes, unsigned char* out,
             unsigned int* out_bytes, int, int, const unsigned char*, unsigned int, void* key) {
  return sign_for_session<&SigningKey::sign_rsa_pss>(session, digest, bytes, out, out_bytes,
                                                     nullptr, 0, key);
}

// wolfSSL checks its own RSA signatures before it sends them, and compares what comes back here.
int give_back(std::optional<std::span<uint8_t>> recovered, unsigned char** out) {
  if (!recovered) {
    return RSA_BUFFER_E;
  }
  *out = recovered->data();
  return static_cast<int>(recovered->size());
}

int check_pkcs1(WOLFSSL*, unsigned char* signature, unsigned int bytes, unsigned char** out,
                const unsigned char*, unsigned int, void* key) {
  return key == nullptr
             ? NO_PRIVATE_KEY
             : give_back(static_cast<const SigningKey*>(key)->recover_rsa_pkcs1({signature, bytes}),
                         out);
}

int check_pss(WOLFSSL*, unsigned char* signature, unsigned int bytes, unsigned char** out, int hash,
              int, const unsigned char*, unsigned int, void* key) {
  const int digest_bytes = wc_HashGetDigestSize(wc_OidGetHash(hash));
  return key == nullptr || digest_bytes <= 0
             ? NO_PRIVATE_KEY
             : give_back(static_cast<const SigningKey*>(key)->recover_rsa_pss(
                             {signature, bytes}, static_cast<size_t>(digest_bytes)),
                         out);
}

}  // namespace

void sign_outside(WOLFSSL_CTX* settings) {
  wolfSSL_CTX_SetEccSignCb(settings, sign_for_session<&SigningKey::sign_ecdsa>);
  wolfSSL_CTX_SetEd25519SignCb(settings, sign_for_session<&SigningKey::sign_ed25519>);
  wolfSSL_CTX_SetRsaSignCb(settings, sign_for_session<&SigningKey::sign_rsa_pkcs1>);
  wolfSSL_CTX_SetRsaSignCheckCb(settings, check_pkcs1);
  wolfSSL_CTX_SetRsaPssSignCb(settings, sign_pss);
  wolfSSL_CTX_SetRsaPssSignCheckCb(settings, check_pss);
}

void set_signing_key(WOLFSSL* session, const SigningKey& key) {
  void* const argument = const_cast<SigningKey*>(&key);  // wolfSSL hands it back, no more.
  wolfSSL_SetEccSignCtx(session, argument);
  wolfSSL_SetEd25519SignCtx(session, argument);
  wolfSSL_SetRsaSignCtx(session, argument);
  wolfSSL_SetRsaPssSignCtx(session, argument);
}

}  // namespace sluice::crypto
