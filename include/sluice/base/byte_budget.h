// The process-wide ceiling on bytes held for bodies and backlogs: overload is a 503, no OOM kill.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace sluice {

// Shared by all shards; one of the few atomics of the data path (architecture.md 6). Touched only
// when something larger than a connection's own buffers is taken or given back.
class ByteBudget {
 public:
  explicit ByteBudget(uint64_t bytes_max) noexcept : bytes_max_(bytes_max) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // False, taking nothing, when `bytes` more would pass the ceiling.
  [[nodiscard]] bool take(uint64_t bytes) noexcept {
    const uint64_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
    if (before + bytes <= bytes_max_.load(std::memory_order_relaxed)) return true;
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  void give_back(uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  // A smaller ceiling refuses new takers until enough has come back.
  void set_ceiling(uint64_t bytes_max) noexcept {
    bytes_max_.store(bytes_max, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t ceiling() const noexcept {
    return bytes_max_.load(std::memory_order_relaxed);
  }

 private:
  alignas(128) std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> bytes_max_;
};

// Bytes taken from a budget; gives them back when it dies. Move-only.
class BudgetShare {
 public:
  BudgetShare() noexcept = default;
  explicit BudgetShare(ByteBudget& budget) noexcept : budget_(&budget) {}
  BudgetShare(BudgetShare&& other) noexcept
      : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
  BudgetShare& operator=(BudgetShare&& other) noexcept {
    if (this != &other) {
      resize(0);
      budget_ = other.budget_;
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  ~BudgetShare() {
    if (bytes_ > 0) budget_->give_back(bytes_);
  }

  // Takes or gives back the difference; false, changing nothing, when the budget is spent.
  [[nodiscard]] bool try_resize(uint64_t bytes) noexcept {
    if (bytes > bytes_ && !budget_->take(bytes - bytes_)) return false;
    if (bytes < bytes_) budget_->give_back(bytes_ - bytes);
    bytes_ = bytes;
    return true;
  }
  // Shrinks; never fails.
  void resize(uint64_t bytes) noexcept {
    if (bytes < bytes_) budget_->give_back(bytes_ - bytes);
    if (bytes < bytes_) bytes_ = bytes;
  }
  [[nodiscard]] uint64_t bytes() const noexcept { return bytes_; }

 private:
  ByteBudget* budget_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace sluice
