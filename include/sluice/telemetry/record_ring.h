// Records on their way from one shard to the control thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

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

  // A record that knows a shorter form of itself is kept in that.
  static constexpr bool kPacks = requires(Record record, std::byte* slot) {
    record.pack(slot);
    record.unpack(slot);
  };
  static constexpr size_t slot_bytes() noexcept {
    if constexpr (kPacks) return Record::kPackedMost;
    return sizeof(Record);
  }
  // On lines of its own: what is read of one is not what is written of the next.
  struct alignas(64) Slot {
    std::byte bytes[slot_bytes()];
  };

 public:
  // `capacity` is rounded up to a power of two. `dropped` is written by the producer. `due` records
  // are worth waking the consumer for; without it, half of the ring.
  BasicRing(uint32_t capacity, metrics::Counter& dropped, uint32_t due = 0) : dropped_(dropped) {
    SLUICE_ASSERT(capacity > 0 && capacity <= (1u << 24));
    uint32_t size = 1;
    while (size < capacity) size <<= 1;
    mask_ = size - 1;
    due_ = due > 0 ? due : (size + 1) / 2;
    slots_ = std::make_unique_for_overwrite<Slot[]>(size);
  }
  BasicRing(const BasicRing&) = delete;
  BasicRing& operator=(const BasicRing&) = delete;

  // Producer. False when the record was dropped.
  bool push(const Record& record) noexcept {
    const uint64_t tail = next_position();
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) {
        dropped_.add();
        return false;
      }
    }
    std::byte* const slot = slots_[tail & mask_].bytes;
    if constexpr (kPacks) {
      record.pack(slot);
    } else {
      std::memcpy(slot, &record, sizeof(Record));
    }
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  // Producer. True once for every `due` records: the moment to wake the consumer rather than to
  // wait for its next tick.
  [[nodiscard]] bool is_due() noexcept {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - last_due_ < due_) return false;
    last_due_ = tail;
    return true;
  }

  // Consumer. Shows up to `count_max` records to `visit`, in order; returns how many there were.
  template <class Visit>
  uint32_t drain(uint32_t count_max, Visit visit) {
    const uint64_t tail = tail_.load(std::memory_order_acquire);
    uint64_t head = head_.load(std::memory_order_relaxed);
    // Between the two nothing was written.
    const uint64_t restart = restart_.load(std::memory_order_relaxed);
    if (head != tail) head = std::max(head, restart);
    const auto count = static_cast<uint32_t>(std::min<uint64_t>(tail - head, count_max));
    Record record;
    for (uint32_t i = 0; i < count; ++i) {
      const std::byte* const slot = slots_[(head + i) & mask_].bytes;
      if constexpr (kPacks) {
        record.unpack(slot);
      } else {
        std::memcpy(&record, slot, sizeof(Record));
      }
      visit(std::as_const(record));
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
  // An empty ring begins at its first slots again, whose memory is in the processor's caches, where
  // a ring that goes round comes to its coldest. Positions between are left out.
  [[nodiscard]] uint64_t next_position() noexcept {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    if ((tail & mask_) < due_ || tail != head_.load(std::memory_order_acquire)) return tail;
    const uint64_t restart = (tail | mask_) + 1;
    head_seen_ = restart;
    last_due_ += restart - tail;
    restart_.store(restart, std::memory_order_relaxed);  // Seen with the tail.
    return restart;
  }

  std::unique_ptr<Slot[]> slots_;
  uint32_t mask_ = 0;
  uint32_t due_ = 0;
  metrics::Counter& dropped_;
  alignas(128) std::atomic<uint64_t> head_{0};  // Written by the consumer.
  alignas(128) std::atomic<uint64_t> tail_{0};  // Written by the producer.
  std::atomic<uint64_t> restart_{0};            // Where it began again last.
  uint64_t head_seen_ = 0;                      // The producer's last look at head_.
  uint64_t last_due_ = 0;
};

using RecordRing = BasicRing<AccessRecord>;
using LogRing = BasicRing<LogRecord>;

}  // namespace sluice::telemetry
