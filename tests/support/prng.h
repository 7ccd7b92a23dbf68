// Seeded random numbers for simulations: the same seed gives the same numbers on every machine.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sluice::support {

// xoshiro256** (Blackman and Vigna), seeded by splitmix64. The standard library's distributions
// differ between implementations, so ranges are made here.
class Prng {
 public:
  explicit Prng(uint64_t seed) noexcept {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15ull;
      uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
      word = mixed ^ (mixed >> 31);
    }
  }

  [[nodiscard]] uint64_t next() noexcept {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // In [0, bound); 0 for a bound of 0.
  [[nodiscard]] uint64_t below(uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }
  // In [low, high].
  [[nodiscard]] uint64_t between(uint64_t low, uint64_t high) noexcept {
    return low + below(high - low + 1);
  }
  // True `per_mille` times out of a thousand.
  [[nodiscard]] bool chance(uint32_t per_mille) noexcept {
    return per_mille != 0 && below(1000) < per_mille;
  }
  // A generator of its own, so that one part's draws do not shift another's.
  [[nodiscard]] Prng fork() noexcept { return Prng(next()); }

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace sluice::support
