// A bounded first-in-first-out queue on one shard, without allocation after construction.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <sluice/base/assert.h>

namespace sluice {

// Capacity is rounded up to a power of two, so that wrapping is a mask.
template <class T>
class FixedRing {
 public:
  explicit FixedRing(uint32_t capacity) {
    SLUICE_ASSERT(capacity > 0 && capacity <= (1u << 31));
    uint32_t size = 1;
    while (size < capacity) size <<= 1;
    mask_ = size - 1;
    items_ = std::make_unique<T[]>(size);
  }

  [[nodiscard]] bool empty() const noexcept { return head_ == tail_; }
  [[nodiscard]] bool full() const noexcept { return size() == capacity(); }
  [[nodiscard]] uint32_t size() const noexcept { return tail_ - head_; }
  [[nodiscard]] uint32_t capacity() const noexcept { return mask_ + 1; }

  // False when full; the item is then untouched.
  [[nodiscard]] bool push(T&& item) noexcept {
    if (full()) return false;
    items_[tail_++ & mask_] = std::move(item);
    return true;
  }
  [[nodiscard]] T pop() noexcept {
    SLUICE_ASSERT(!empty());
    return std::move(items_[head_++ & mask_]);
  }
  [[nodiscard]] T& front() noexcept {
    SLUICE_ASSERT(!empty());
    return items_[head_ & mask_];
  }

 private:
  std::unique_ptr<T[]> items_;
  uint32_t mask_ = 0;
  uint32_t head_ = 0;  // Free-running; the difference is the size, also across the wrap.
  uint32_t tail_ = 0;
};

}  // namespace sluice
