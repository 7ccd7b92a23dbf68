// A place of a PlaceBank that is held.
#pragma once

#include <optional>
#include <utility>

#include <sluice/base/ids.h>
#include <sluice/base/place_bank.h>

namespace sluice::limit {

// Wakes a shard that a place was handed to. Implemented by the worker; called on its shard.
class ShardWaker {
 public:
  virtual void wake(ShardId shard) noexcept = 0;

 protected:
  ~ShardWaker() = default;
};

// Given back when it is dropped, and then handed to whoever waits longest. Bank and waker outlive
// it. Move-only.
class Place {
 public:
  Place() noexcept = default;
  // Takes over what try_take() or take_handed() gave.
  Place(PlaceBank& bank, ShardWaker& waker) noexcept : bank_(&bank), waker_(&waker) {}
  Place(Place&& other) noexcept
      : bank_(std::exchange(other.bank_, nullptr)), waker_(other.waker_) {}
  Place& operator=(Place&& other) noexcept {
    if (this != &other) {
      release();
      bank_ = std::exchange(other.bank_, nullptr);
      waker_ = other.waker_;
    }
    return *this;
  }
  ~Place() { release(); }

  [[nodiscard]] bool is_held() const noexcept { return bank_ != nullptr; }
  // Null when none is held.
  [[nodiscard]] PlaceBank* bank() const noexcept { return bank_; }

  void release() noexcept {
    if (bank_ == nullptr) return;
    if (const std::optional<ShardId> shard = std::exchange(bank_, nullptr)->give_back()) {
      waker_->wake(*shard);
    }
  }

 private:
  PlaceBank* bank_ = nullptr;
  ShardWaker* waker_ = nullptr;
};

// Nothing when all are taken.
[[nodiscard]] inline std::optional<Place> take_place(PlaceBank& bank, ShardWaker& waker) noexcept {
  if (!bank.try_take()) return std::nullopt;
  return Place(bank, waker);
}

}  // namespace sluice::limit
