// The two smallest metric cells: one thread writes, any thread reads.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::metrics {

// A number that only grows. The single writer needs no read-modify-write instruction, so add()
// costs as much as on a plain integer.
class Counter {
 public:
  void add(uint64_t amount = 1) noexcept {
    cell_.store(cell_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t value() const noexcept { return cell_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> cell_{0};
};

// A number that goes up and down. One shard's part of it may be negative; the sum is what counts.
class Gauge {
 public:
  void add(int64_t amount = 1) noexcept { set(value() + amount); }
  void sub(int64_t amount = 1) noexcept { set(value() - amount); }
  void set(int64_t value) noexcept { cell_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] int64_t value() const noexcept { return cell_.load(std::memory_order_relaxed); }

  // For a stamp of other cells: who observes it sees at least what was set before it was published.
  void publish(int64_t value) noexcept { cell_.store(value, std::memory_order_release); }
  [[nodiscard]] int64_t observe() const noexcept { return cell_.load(std::memory_order_acquire); }

 private:
  std::atomic<int64_t> cell_{0};
};

// Holds a gauge up by one for as long as it lives, however its scope ends.
class GaugeHold {
 public:
  explicit GaugeHold(Gauge& gauge) noexcept : gauge_(gauge) { gauge_.add(); }
  GaugeHold(const GaugeHold&) = delete;
  GaugeHold& operator=(const GaugeHold&) = delete;
  ~GaugeHold() { gauge_.sub(); }

 private:
  Gauge& gauge_;
};

}  // namespace sluice::metrics
