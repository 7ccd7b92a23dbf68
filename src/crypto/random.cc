#include <sluice/crypto/random.h>

#include <cerrno>
#include <cstring>

#include <openssl/crypto.h>
#include <sys/random.h>

#include <sluice/base/assert.h>

namespace sluice::crypto {
namespace {

// The two digits of each byte.
constexpr auto kHexPairs = [] {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kDigits[i / 16], kDigits[i % 16]};
  return pairs;
}();

}  // namespace

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
  explicit_bzero(store_.data() + used_, out.size());  // OPENSSL_cleanse goes byte by byte.
  used_ += out.size();
}

uint64_t RandomSource::next_u64() noexcept {
  uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

RequestId RandomSource::next_request_id() noexcept {
  static constexpr std::string_view kPrefix = "req_";
  std::array<std::byte, 16> bytes;
  static_assert(kPrefix.size() + 2 * std::tuple_size_v<decltype(bytes)> == RequestId::kLength);
  fill(bytes);
  RequestId id;
  char* out = id.text_.data();
  std::memcpy(out, kPrefix.data(), kPrefix.size());
  out += kPrefix.size();
  for (const std::byte byte : bytes) {
    std::memcpy(out, kHexPairs[std::to_integer<size_t>(byte)].data(), 2);
    out += 2;
  }
  return id;
}

}  // namespace sluice::crypto
