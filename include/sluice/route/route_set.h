// Some of a model's routes, by their position in Model::routes.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include <sluice/base/assert.h>

namespace sluice::route {

// A value: lives on the stack, is copied freely, allocates nothing.
class RouteSet {
 public:
  // More than a file may list; discovery may find more than a file lists.
  static constexpr uint32_t kRoutesMax = 256;

  // The routes 0 .. n-1; `n` is at most kRoutesMax.
  [[nodiscard]] static constexpr RouteSet first_n(uint32_t n) noexcept {
    SLUICE_ASSERT(n <= kRoutesMax);
    RouteSet set;
    for (uint32_t word = 0; word < kWords; ++word) {
      const uint32_t before = word * 64;
      if (n <= before) break;
      set.words_[word] = n - before >= 64 ? ~uint64_t{0} : (uint64_t{1} << (n - before)) - 1;
    }
    return set;
  }

  // An index below kRoutesMax.
  constexpr void add(uint32_t index) noexcept {
    SLUICE_ASSERT(index < kRoutesMax);
    words_[index / 64] |= uint64_t{1} << index % 64;
  }
  constexpr void remove(uint32_t index) noexcept {
    SLUICE_ASSERT(index < kRoutesMax);
    words_[index / 64] &= ~(uint64_t{1} << index % 64);
  }
  [[nodiscard]] constexpr bool has(uint32_t index) const noexcept {
    return index < kRoutesMax && (words_[index / 64] >> index % 64 & 1) != 0;
  }

  [[nodiscard]] constexpr bool empty() const noexcept {
    return (words_[0] | words_[1] | words_[2] | words_[3]) == 0;
  }
  [[nodiscard]] constexpr uint32_t count() const noexcept {
    int sum = 0;
    for (const uint64_t word : words_) sum += std::popcount(word);
    return static_cast<uint32_t>(sum);
  }
  // The smallest index. The set must not be empty.
  [[nodiscard]] constexpr uint32_t first() const noexcept { return nth(0); }
  // The index that has `n` smaller ones in the set, which must have more than `n`.
  [[nodiscard]] constexpr uint32_t nth(uint32_t n) const noexcept {
    for (uint32_t word = 0; word < kWords; ++word) {
      const auto here = static_cast<uint32_t>(std::popcount(words_[word]));
      if (n >= here) {
        n -= here;
        continue;
      }
      uint64_t rest = words_[word];
      for (; n > 0; --n) rest &= rest - 1;
      return word * 64 + static_cast<uint32_t>(std::countr_zero(rest));
    }
    SLUICE_ASSERT(false);
    return 0;
  }

  // Calls `visit(index)` in rising order, for the set as it was at the call.
  template <class Visit>
  constexpr void for_each(Visit&& visit) const {
    for (uint32_t word = 0; word < kWords; ++word) {
      for (uint64_t rest = words_[word]; rest != 0; rest &= rest - 1) {
        visit(word * 64 + static_cast<uint32_t>(std::countr_zero(rest)));
      }
    }
  }

  [[nodiscard]] constexpr RouteSet without(const RouteSet& other) const noexcept {
    RouteSet set = *this;
    for (uint32_t word = 0; word < kWords; ++word) set.words_[word] &= ~other.words_[word];
    return set;
  }
  [[nodiscard]] friend constexpr RouteSet operator-(const RouteSet& left,
                                                    const RouteSet& right) noexcept {
    return left.without(right);
  }
  [[nodiscard]] friend constexpr RouteSet operator&(const RouteSet& left,
                                                    const RouteSet& right) noexcept {
    RouteSet set = left;
    for (uint32_t word = 0; word < kWords; ++word) set.words_[word] &= right.words_[word];
    return set;
  }
  [[nodiscard]] friend constexpr RouteSet operator|(const RouteSet& left,
                                                    const RouteSet& right) noexcept {
    RouteSet set = left;
    for (uint32_t word = 0; word < kWords; ++word) set.words_[word] |= right.words_[word];
    return set;
  }
  [[nodiscard]] constexpr bool operator==(const RouteSet&) const noexcept = default;

 private:
  static constexpr uint32_t kWords = kRoutesMax / 64;
  std::array<uint64_t, kWords> words_{};
};

}  // namespace sluice::route
