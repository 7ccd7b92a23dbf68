#include <sluice/crypto/secret.h>

#include <cstring>
#include <utility>

#include <openssl/crypto.h>

namespace sluice::crypto {

void wipe(char* bytes, size_t length) noexcept { OPENSSL_cleanse(bytes, length); }

Secret::Secret(std::string_view text) : length_(text.size()) {
  if (text.empty()) return;
  bytes_ = std::make_unique<char[]>(text.size());
  std::memcpy(bytes_.get(), text.data(), text.size());
}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), length_(std::exchange(other.length_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe(bytes_.get(), length_);
  bytes_ = std::move(other.bytes_);
  length_ = std::exchange(other.length_, 0);
  return *this;
}

Secret::~Secret() { wipe(bytes_.get(), length_); }

}  // namespace sluice::crypto
