// The low-level functions are deprecated since OpenSSL 3.0 in favour of EVP, which allocates a new
// state on every digest (3.0 frees and makes it anew even when one is reused); a key is digested
// on the request path, where nothing may allocate.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <sluice/crypto/digest.h>

#include <openssl/sha.h>

#include <sluice/base/assert.h>

namespace sluice::crypto {

static_assert(sizeof(Digest) == SHA256_DIGEST_LENGTH);

Digest sha256(std::string_view text) noexcept {
  SHA256_CTX state;
  Digest digest;
  const bool ok = SHA256_Init(&state) == 1 &&
                  SHA256_Update(&state, text.data(), text.size()) == 1 &&
                  SHA256_Final(digest.data(), &state) == 1;
  SLUICE_ASSERT(ok);
  return digest;
}

}  // namespace sluice::crypto
