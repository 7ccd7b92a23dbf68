// Receive buffers: owned by the ring, lent by the kernel, one owner at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/io/kernel.h>

namespace sluice::io {

class BufferPool;

// One filled receive buffer; goes back to the kernel when it dies. Move-only, one shard.
// 64 bytes behind its end are always readable, so that SIMD may read past the data.
class Buffer {
 public:
  Buffer() noexcept = default;
  Buffer(Buffer&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        bytes_(std::exchange(other.bytes_, {})),
        id_(other.id_) {}
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer() { release(); }

  [[nodiscard]] bool is_empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] bool is_held() const noexcept { return pool_ != nullptr; }
  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }
  // Narrows the view; the memory stays held.
  void remove_prefix(size_t count) noexcept { bytes_.remove_prefix(count); }
  // Gives the buffer back early; bytes() is empty afterwards.
  void release() noexcept;
  // Of a spare that is being filled: where, and how much of it is good then.
  [[nodiscard]] char* spare_data() noexcept { return const_cast<char*>(bytes_.data()); }
  void set_spare_length(size_t length) noexcept { bytes_ = {bytes_.data(), length}; }

 private:
  friend class BufferPool;
  Buffer(BufferPool& pool, uint16_t id, std::string_view bytes) noexcept
      : pool_(&pool), bytes_(bytes), id_(id) {}

  BufferPool* pool_ = nullptr;
  std::string_view bytes_;
  uint16_t id_ = 0;
};

struct BufferLimits {
  uint32_t hot = 256;    // Provided at first; few, because the kernel cycles through all.
  uint32_t most = 4096;  // Ceiling of growth. Power of two, at most 32768.
};

// All receive buffers of one ring. 16 KiB each: smaller ones cost up to 1.9 times more per burst
// (bench of performance.md), and an idle socket holds none. Provided 64 bytes short.
class BufferPool {
 public:
  static constexpr uint32_t kBufferBytes = 16 * 1024;
  static constexpr uint32_t kOverread = 64;
  static constexpr uint32_t kUsableBytes = kBufferBytes - kOverread;
  // Takes all that one receive and the TLS record begun before it can decrypt to.
  static constexpr uint32_t kSpareBytes = 32 * 1024;
  static constexpr uint32_t kSpareUsableBytes = kSpareBytes - kOverread;

  BufferPool(Kernel& kernel, BufferLimits limits);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Wraps what a completion delivered.
  [[nodiscard]] Buffer adopt(uint16_t id, uint32_t length) noexcept;
  // Memory that the kernel never sees, for bytes made of received ones (decrypted). Not held when
  // there is no memory. Fill at most kSpareUsableBytes from spare_data() on, then
  // set_spare_length().
  [[nodiscard]] Buffer take_spare() noexcept;
  // Hands recycled buffers back to the kernel; once per turn.
  void commit() noexcept;
  // Adds a slab of buffers; false at the ceiling or when memory is refused.
  bool grow() noexcept;

  // Buffers that the kernel may fill at this moment.
  [[nodiscard]] uint32_t available() const noexcept { return available_; }
  [[nodiscard]] uint32_t in_use() const noexcept { return in_use_; }
  // Who holds a buffer for long must copy it out now: were all held so, nothing could be received
  // any more, and nothing would give one back.
  [[nodiscard]] bool is_scarce() const noexcept {
    return in_use_ > total() / 2 || spares_in_use_ > most_ / 4;
  }
  // Nearly all that there may ever be are in use: more connections would only wait.
  [[nodiscard]] bool is_nearly_spent() const noexcept { return in_use_ > most_ / 4 * 3; }
  [[nodiscard]] uint32_t total() const noexcept {
    const auto made = static_cast<uint32_t>(slabs_.size()) * kSlabBuffers;
    return made < most_ ? made : most_;
  }

 private:
  friend class Buffer;
  static constexpr uint32_t kSlabBuffers = 128;
  static constexpr size_t kSlabBytes = size_t{kSlabBuffers} * kBufferBytes;  // 2 MiB: a huge page.

  [[nodiscard]] char* address(uint16_t id) const noexcept {
    return slabs_[id / kSlabBuffers] + size_t{id % kSlabBuffers} * kBufferBytes;
  }
  void recycle(uint16_t id, const char* inside) noexcept;
  void recycle_spare(const char* inside) noexcept;

  static constexpr uint16_t kSpareId = 0xffff;
  static constexpr size_t kSparesKept = 64;

  Kernel& kernel_;
  uint32_t most_;
  std::vector<char*> slabs_;
  uint32_t available_ = 0;
  uint32_t in_use_ = 0;
  uint32_t uncommitted_ = 0;
  std::vector<char*> spares_;  // Free ones, the last used at the end.
  uint32_t spares_in_use_ = 0;
};

inline Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    release();
    pool_ = std::exchange(other.pool_, nullptr);
    bytes_ = std::exchange(other.bytes_, {});
    id_ = other.id_;
  }
  return *this;
}

inline void Buffer::release() noexcept {
  if (pool_ != nullptr) std::exchange(pool_, nullptr)->recycle(id_, bytes_.data());
  bytes_ = {};
}

}  // namespace sluice::io
