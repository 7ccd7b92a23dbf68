// The private key of a wolfSSL session outside of wolfSSL.
#pragma once

#include <sluice/crypto/signing_key.h>

struct WOLFSSL;
struct WOLFSSL_CTX;

namespace sluice::crypto {

// Sessions of `settings` sign with the key that set_signing_key() gives them. wolfSSL then needs
// the certificate, loaded before, and no private key.
void sign_outside(WOLFSSL_CTX* settings);

// Before the handshake, or again when its server name has changed the session's WOLFSSL_CTX. `key`
// outlives the handshake.
void set_signing_key(WOLFSSL* session, const SigningKey& key);

}  // namespace sluice::crypto
