// A bounded queue of messages from one thread to one other, without locks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <sluice/base/assert.h>

namespace sluice::shard {

// Exactly one producer thread and one consumer thread. The producer calls io::Ring::wake() of the
// consumer after push(); the consumer drains from its turn hook.
template <class T>
class Mailbox {
 public:
  explicit Mailbox(uint32_t capacity) {
    SLUICE_ASSERT(capacity > 0 && capacity <= (1u << 24));
    uint32_t size = 1;
    while (size < capacity) size <<= 1;
    mask_ = size - 1;
    items_ = std::make_unique<T[]>(size);
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Producer. False when full; the message is then untouched.
  [[nodiscard]] bool push(T&& message) noexcept {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) return false;
    }
    items_[tail & mask_] = std::move(message);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Producer. Whether `count` messages more would fit.
  [[nodiscard]] bool has_room(uint32_t count) noexcept {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ + count > mask_ + 1) head_seen_ = head_.load(std::memory_order_acquire);
    return tail - head_seen_ + count <= mask_ + 1;
  }

  // Consumer.
  [[nodiscard]] std::optional<T> pop() noexcept {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
    std::optional<T> message(std::move(items_[head & mask_]));
    head_.store(head + 1, std::memory_order_release);
    return message;
  }

  // Consumer; cheap enough for every turn.
  [[nodiscard]] bool has_message() const noexcept {
    return head_.load(std::memory_order_relaxed) != tail_.load(std::memory_order_acquire);
  }

 private:
  std::unique_ptr<T[]> items_;
  uint32_t mask_ = 0;
  alignas(128) std::atomic<uint32_t> head_{0};  // Written by the consumer.
  alignas(128) std::atomic<uint32_t> tail_{0};  // Written by the producer.
  uint32_t head_seen_ = 0;                      // The producer's last look at head_.
};

}  // namespace sluice::shard
