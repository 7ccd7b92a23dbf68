// Records on their way from one shard to the control thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

#include <sluice/base/assert.h>
#include <sluice/metrics/counter.h>
#include <sluice/telemetry/access_record.h>
#include <sluice/telemetry/log_record.h>

namespace sluice::telemetry {

// One producer thread, one consumer thread, no lock. A full ring drops the new record and counts
// it: a log that hangs may cost lines, never a request's time.
//
// Slots are memory that is not touched before its first use, so that a large ring costs nothing on
// a quiet process.
template <class Record>
class BasicRing {
  static_assert(std::is_trivially_copyable_v<Record>);

 public:
  // `capacity` is rounded up to a power of two. `dropped` is written by the producer.
  BasicRing(uint32_t capacity, metrics::Counter& dropped) : dropped_(dropped) {
    SLUICE_ASSERT(capacity > 0 && capacity <= (1u << 24));
    uint32_t size = 1;
    while (size < capacity) size <<= 1;
    mask_ = size - 1;
    slots_ = std::make_unique_for_overwrite<Slot[]>(size);
  }
  BasicRing(const BasicRing&) = delete;
  BasicRing& operator=(const BasicRing&) = delete;

  // Producer. False when the record was dropped.
  bool push(const Record& record) noexcept {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) {
        dropped_.add();
        return false;
      }
    }
    std::memcpy(slots_[tail & mask_].bytes, &record, sizeof(Record));
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  // Producer. True once for every half of the ring that fills: the moment to wake the consumer
  // rather than to wait for its next tick.
  [[nodiscard]] bool is_due() noexcept {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - last_due_ <= mask_ / 2) return false;
    last_due_ = tail;
    return true;
  }

  // Consumer. Shows up to `count_max` records to `visit`, in order; returns how many there were.
  template <class Visit>
  uint32_t drain(uint32_t count_max, Visit visit) {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    uint32_t count = tail_.load(std::memory_order_acquire) - head;
    if (count > count_max) count = count_max;
    for (uint32_t i = 0; i < count; ++i) {
      const Slot& slot = slots_[(head + i) & mask_];
      visit(*std::launder(reinterpret_cast<const Record*>(slot.bytes)));
    }
    head_.store(head + count, std::memory_order_release);
    return count;
  }
  // Consumer.
  [[nodiscard]] bool has_records() const noexcept {
    return head_.load(std::memory_order_relaxed) != tail_.load(std::memory_order_acquire);
  }
  [[nodiscard]] uint32_t capacity() const noexcept { return mask_ + 1; }

 private:
  struct Slot {
    alignas(Record) std::byte bytes[sizeof(Record)];
  };

  std::unique_ptr<Slot[]> slots_;
  uint32_t mask_ = 0;
  metrics::Counter& dropped_;
  alignas(128) std::atomic<uint32_t> head_{0};  // Written by the consumer.
  alignas(128) std::atomic<uint32_t> tail_{0};  // Written by the producer.
  uint32_t head_seen_ = 0;                      // The producer's last look at head_.
  uint32_t last_due_ = 0;
};

using RecordRing = BasicRing<AccessRecord>;
using LogRing = BasicRing<LogRecord>;

}  // namespace sluice::telemetry
