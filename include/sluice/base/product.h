// The whole product of two words.
#pragma once

#include <cstdint>

namespace sluice {

struct Product {
  uint64_t high = 0;
  uint64_t low = 0;
};

[[nodiscard]] constexpr Product multiply(uint64_t left, uint64_t right) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(left) * right;
  return {static_cast<uint64_t>(product >> 64), static_cast<uint64_t>(product)};
}

}  // namespace sluice
