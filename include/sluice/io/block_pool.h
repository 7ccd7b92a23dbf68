// Plain memory in a few sizes, reused on its shard and counted in the process's byte budget.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <sluice/base/byte_budget.h>

namespace sluice::io {

class BlockPool;

// Owns a block until it dies. Move-only, one shard. 64 bytes behind its end are readable.
class Block {
 public:
  Block() noexcept = default;
  Block(Block&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Block& operator=(Block&& other) noexcept {
    if (this != &other) {
      release();
      pool_ = std::exchange(other.pool_, nullptr);
      data_ = std::exchange(other.data_, nullptr);
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  ~Block() { release(); }

  [[nodiscard]] bool is_held() const noexcept { return data_ != nullptr; }
  [[nodiscard]] char* data() noexcept { return data_; }
  [[nodiscard]] const char* data() const noexcept { return data_; }
  [[nodiscard]] size_t capacity() const noexcept { return capacity_; }
  void release() noexcept;

 private:
  friend class BlockPool;
  Block(BlockPool& pool, char* data, size_t capacity) noexcept
      : pool_(&pool), data_(data), capacity_(capacity) {}

  BlockPool* pool_ = nullptr;
  char* data_ = nullptr;
  size_t capacity_ = 0;
};

// Free lists by size. A cached block stays counted in the budget, so that taking and giving back
// in steady state touches neither the heap nor the shared counter. Owned by one shard.
class BlockPool {
 public:
  static constexpr size_t kOverread = 64;

  explicit BlockPool(ByteBudget& budget) noexcept : budget_(budget) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // At least `bytes`; not held when the budget or the machine refuses. Contents are undefined.
  [[nodiscard]] Block take(size_t bytes) noexcept;
  // Moves the first `used` bytes into a block of at least `bytes`; false leaves it unchanged.
  [[nodiscard]] bool grow(Block& block, size_t used, size_t bytes) noexcept;
  // Frees what is cached.
  void drop_cache() noexcept;

 private:
  friend class Block;
  struct FreeBlock {
    FreeBlock* next;
  };
  struct SizeClass {
    size_t bytes;
    uint32_t cached_max;
  };
  // Larger blocks are neither rounded nor cached.
  static constexpr std::array<SizeClass, 5> kClasses = {
      {{4 * 1024, 512}, {16 * 1024, 128}, {64 * 1024, 32}, {256 * 1024, 16}, {1024 * 1024, 4}}};

  [[nodiscard]] static int class_of(size_t bytes) noexcept;
  [[nodiscard]] char* allocate(size_t capacity) noexcept;
  void give_back(char* data, size_t capacity) noexcept;

  ByteBudget& budget_;
  std::array<FreeBlock*, kClasses.size()> free_{};
  std::array<uint32_t, kClasses.size()> cached_{};
};

inline void Block::release() noexcept {
  if (data_ == nullptr) return;
  pool_->give_back(std::exchange(data_, nullptr), std::exchange(capacity_, 0));
}

}  // namespace sluice::io
