// Objects of one type at stable addresses, named by index and generation; the last freed goes
// first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <sluice/base/assert.h>

namespace sluice {

// Grows by whole blocks and keeps them: after warm-up, emplace() and erase() touch no allocator.
// A generation tells a stale handle from the slot's present owner. Owned by one shard.
template <class T, uint32_t kBlockSize = 64>
class Slab {
 public:
  struct Handle {
    uint32_t index = UINT32_MAX;
    uint32_t generation = 0;
  };

  explicit Slab(uint32_t slots_max) : slots_max_(slots_max) {}
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for (auto& block : blocks_) {
      for (uint32_t i = 0; i < kBlockSize; ++i) {
        if (block[i].live) block[i].object().~T();
      }
    }
  }

  // Null when `slots_max` objects live already.
  template <class... Args>
  [[nodiscard]] T* emplace(Handle* handle, Args&&... args) {
    if (free_head_ == UINT32_MAX && !grow()) return nullptr;
    const uint32_t index = free_head_;
    Slot& slot = at(index);
    free_head_ = slot.next_free;
    slot.live = true;
    ++live_count_;
    *handle = {index, slot.generation};
    return new (slot.storage) T(std::forward<Args>(args)...);
  }

  // Null when the handle is stale.
  [[nodiscard]] T* find(Handle handle) noexcept {
    if (handle.index >= blocks_.size() * kBlockSize) return nullptr;
    Slot& slot = at(handle.index);
    return slot.live && slot.generation == handle.generation ? &slot.object() : nullptr;
  }

  void erase(Handle handle) noexcept {
    T* object = find(handle);
    SLUICE_ASSERT(object != nullptr);
    object->~T();
    Slot& slot = at(handle.index);
    slot.live = false;
    ++slot.generation;
    slot.next_free = free_head_;
    free_head_ = handle.index;
    --live_count_;
  }

  [[nodiscard]] uint32_t live_count() const noexcept { return live_count_; }
  [[nodiscard]] uint32_t slots_max() const noexcept { return slots_max_; }

  // Visits live objects in index order; `visit` may erase the one it is given.
  template <class Visit>
  void for_each(Visit visit) {
    for (auto& block : blocks_) {
      for (uint32_t i = 0; i < kBlockSize; ++i) {
        if (block[i].live) visit(block[i].object());
      }
    }
  }

 private:
  struct Slot {
    alignas(T) std::byte storage[sizeof(T)];
    uint32_t generation = 1;
    uint32_t next_free = UINT32_MAX;
    bool live = false;
    T& object() noexcept { return *std::launder(reinterpret_cast<T*>(storage)); }
  };

  Slot& at(uint32_t index) noexcept { return blocks_[index / kBlockSize][index % kBlockSize]; }

  bool grow() {
    const auto base = static_cast<uint32_t>(blocks_.size() * kBlockSize);
    if (base >= slots_max_) return false;
    blocks_.push_back(std::make_unique<Slot[]>(kBlockSize));
    // The last block may reach past slots_max; those slots stay unused.
    const uint32_t usable = slots_max_ - base < kBlockSize ? slots_max_ - base : kBlockSize;
    for (uint32_t i = usable; i-- > 0;) {
      blocks_.back()[i].next_free = free_head_;
      free_head_ = base + i;
    }
    return true;
  }

  std::vector<std::unique_ptr<Slot[]>> blocks_;
  uint32_t free_head_ = UINT32_MAX;
  uint32_t live_count_ = 0;
  uint32_t slots_max_;
};

}  // namespace sluice
