// The device's public-key operations, on wolfCrypt's structures.
#pragma once

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/cryptocb.h>

namespace sluice::crypto {

// wolfCrypt's answer to a call of the kind WC_ALGO_TYPE_PK.
[[nodiscard]] int run_public_key(const wc_CryptoInfo& call);

}  // namespace sluice::crypto
