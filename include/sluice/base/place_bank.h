// A number of places that the whole process shares: requests in flight, requests in line, probes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include <sluice/base/clock.h>
#include <sluice/base/ids.h>
#include <sluice/base/process_seat.h>

namespace sluice {

// Exact over all shards: while the limit stands there are never more than most() taken. A lower
// limit takes nobody's place away, it only lets fewer be taken.
//
// A place that comes free is handed to the shard that has waited longest. No wake-up is lost,
// because a waiter first publishes and then tries, and a giver first gives and then looks: one of
// the two sees the other.
//
// Atomics only, sequentially consistent, for that reason; never waits. Any thread.
class PlaceBank {
 public:
  // `shards` that may wait; 1 to 256. With a count that other processes share, most() holds over
  // all of them; a place that comes free elsewhere is found by hand_one() alone. Its word outlives
  // the bank; without one the bank has its own.
  explicit PlaceBank(uint32_t shards, SharedCount count = {});
  PlaceBank(const PlaceBank&) = delete;
  PlaceBank& operator=(const PlaceBank&) = delete;

  // 0 is no limit. Whoever raises it calls hand_one() until it returns nothing.
  void set_most(uint32_t most) noexcept { most_.store(most); }
  [[nodiscard]] uint32_t most() const noexcept { return most_.load(); }
  [[nodiscard]] uint32_t in_use() const noexcept {
    return static_cast<uint32_t>(ProcessSeat::sum_of(taken_->load()));
  }
  // A hint: it may be different a moment later.
  [[nodiscard]] bool is_full() const noexcept {
    const uint32_t most = most_.load(std::memory_order_relaxed);
    return most != 0 && ProcessSeat::sum_of(taken_->load(std::memory_order_relaxed)) >= most;
  }

  // Each true is followed by one give_back().
  [[nodiscard]] bool try_take() noexcept;
  // Returns the shard that the place was handed to and that is to look for it, if any waits.
  std::optional<ShardId> give_back() noexcept;
  // Hands one free place to the shard that has waited longest; nothing when none waits or none is
  // free.
  std::optional<ShardId> hand_one() noexcept;

  // Since when somebody on `shard` waits; max() when nobody does. That shard.
  void publish_wait(ShardId shard, MonoTime since) noexcept;
  // Takes a place that was handed to `shard`. That shard.
  [[nodiscard]] bool take_handed(ShardId shard) noexcept;

 private:
  struct alignas(64) Line {
    std::atomic<int64_t> since_ns;
    std::atomic<uint32_t> handed{0};
  };

  std::atomic<uint32_t> most_{0};
  std::atomic<int64_t> own_{0};
  std::atomic<int64_t>* taken_;  // With those that were handed over.
  ProcessSeat seat_;
  uint32_t shards_;
  std::unique_ptr<Line[]> lines_;
};

}  // namespace sluice
