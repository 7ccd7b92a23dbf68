// One word that several processes count in, so that what one of them held is known when it is gone.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

// Which of the processes that share memory this is: a predecessor that drains, its successor, and
// room for one more.
class ProcessSeat {
 public:
  static constexpr uint32_t kSeats = 3;
  static constexpr uint32_t kBits = 21;
  // That one process can count.
  static constexpr int64_t kMost = (int64_t{1} << kBits) - 1;

  constexpr ProcessSeat() noexcept = default;
  // Below kSeats.
  constexpr explicit ProcessSeat(uint32_t number) noexcept : number_(number) {}

  [[nodiscard]] constexpr uint32_t number() const noexcept { return number_; }
  // What counts one in a word.
  [[nodiscard]] constexpr int64_t unit() const noexcept { return int64_t{1} << kBits * number_; }
  [[nodiscard]] constexpr int64_t mask() const noexcept { return kMost << kBits * number_; }
  // This process's part of a word.
  [[nodiscard]] constexpr int64_t count_in(int64_t word) const noexcept {
    return word >> kBits * number_ & kMost;
  }
  // Of all processes; the highest bit is no count.
  [[nodiscard]] static constexpr int64_t sum_of(int64_t word) noexcept {
    static_assert(kSeats == 3);
    return (word & kMost) + (word >> kBits & kMost) + (word >> 2 * kBits & kMost);
  }

 private:
  uint32_t number_ = 0;
};

// Where one process counts. The word may lie in memory that others count in, too.
struct SharedCount {
  std::atomic<int64_t>* word = nullptr;
  ProcessSeat seat;
};
static_assert(std::atomic<int64_t>::is_always_lock_free &&
              std::atomic<uint64_t>::is_always_lock_free);

}  // namespace sluice
