#include <sluice/crypto/random.h>

#include <cerrno>
#include <cstring>

#include <openssl/crypto.h>
#include <sys/random.h>

#include <sluice/base/assert.h>

namespace sluice::crypto {

void fill_random(std::span<std::byte> out) noexcept {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    SLUICE_ASSERT(got > 0);
    out = out.subspan(static_cast<size_t>(got));
  }
}

RandomSource::~RandomSource() { OPENSSL_cleanse(store_.data(), store_.size()); }

void RandomSource::fill(std::span<std::byte> out) noexcept {
  if (out.empty()) return;
  if (out.size() > kStoreBytes) return fill_random(out);
  if (out.size() > kStoreBytes - used_) {
    fill_random(store_);
    used_ = 0;
  }
  std::memcpy(out.data(), store_.data() + used_, out.size());
  OPENSSL_cleanse(store_.data() + used_, out.size());
  used_ += out.size();
}

uint64_t RandomSource::next_u64() noexcept {
  uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

RequestId RandomSource::next_request_id() noexcept {
  static constexpr std::string_view kPrefix = "req_";
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<std::byte, 16> bytes;
  static_assert(kPrefix.size() + 2 * std::tuple_size_v<decltype(bytes)> == RequestId::kLength);
  fill(bytes);
  RequestId id;
  char* out = id.text_.data();
  std::memcpy(out, kPrefix.data(), kPrefix.size());
  out += kPrefix.size();
  for (const std::byte byte : bytes) {
    *out++ = kHex[std::to_integer<unsigned>(byte >> 4)];
    *out++ = kHex[std::to_integer<unsigned>(byte & std::byte{15})];
  }
  return id;
}

}  // namespace sluice::crypto
