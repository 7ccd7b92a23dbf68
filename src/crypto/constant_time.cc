#include <sluice/crypto/constant_time.h>

#include <cstdint>
#include <cstring>

namespace sluice::crypto {
namespace {

// Eight bytes a step; CRYPTO_memcmp, which takes one, is felt on the path of a request.
bool equal_bytes(const char* left, const char* right, size_t length) noexcept {
  uint64_t difference = 0;
  const auto compare = [&](size_t count) {
    uint64_t a = 0;
    uint64_t b = 0;
    std::memcpy(&a, left, count);
    std::memcpy(&b, right, count);
    difference |= a ^ b;
    // To the compiler the value may have become anything here, so it cannot leave the loop early.
    asm volatile("" : "+r"(difference));
    left += count;
    right += count;
    length -= count;
  };
  while (length >= 8) compare(8);
  while (length > 0) compare(1);
  return difference == 0;
}

}  // namespace

bool equal_constant_time(std::string_view left, std::string_view right) noexcept {
  return left.size() == right.size() && equal_bytes(left.data(), right.data(), left.size());
}

bool equal_constant_time(const Digest& left, const Digest& right) noexcept {
  return equal_bytes(reinterpret_cast<const char*>(left.data()),
                     reinterpret_cast<const char*>(right.data()), left.size());
}

}  // namespace sluice::crypto
