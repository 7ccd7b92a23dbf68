// How libcrypto's objects are owned.
#pragma once

#include <memory>

#include <openssl/bio.h>
#include <openssl/evp.h>

namespace sluice::crypto {

// Deletes by the function that goes with the type.
template <auto Free>
struct FreedBy {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using BioPtr = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using KeyOperationPtr = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;

}  // namespace sluice::crypto
