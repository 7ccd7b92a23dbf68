#include <sluice/crypto/constant_time.h>

#include <openssl/crypto.h>

namespace sluice::crypto {

bool equal_constant_time(std::string_view left, std::string_view right) noexcept {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

bool equal_constant_time(const Digest& left, const Digest& right) noexcept {
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace sluice::crypto
