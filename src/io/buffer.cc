#include <sluice/io/buffer.h>

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#include <sluice/base/assert.h>

#include "poison.h"

namespace sluice::io {
namespace {

// Memory at a multiple of its size, a power of two; null when there is none. Pages are touched, and
// so counted, only when the kernel first fills them.
char* map_aligned(size_t bytes) noexcept {
  void* const memory =
      mmap(nullptr, 2 * bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  char* const begin = static_cast<char*>(memory);
  const size_t before = -reinterpret_cast<uintptr_t>(begin) & (bytes - 1);
  if (before > 0) munmap(begin, before);
  munmap(begin + before + bytes, bytes - before);
  return begin + before;
}

}  // namespace

BufferPool::BufferPool(Kernel& kernel, BufferLimits limits) : kernel_(kernel), most_(limits.most) {
  SLUICE_ASSERT(limits.hot > 0 && limits.hot <= limits.most);
  slabs_.reserve(limits.most / kSlabBuffers + 1);
  SLUICE_ASSERT(limits.most < kSpareId);
  spares_.reserve(kSparesKept);
  while (total() < limits.hot) SLUICE_ASSERT(grow());
  commit();
}

BufferPool::~BufferPool() {
  for (char* spare : spares_) operator delete(spare, std::align_val_t{kSpareBytes});
  for (char* slab : slabs_) {
    allow_access(slab, kSlabBytes);
    munmap(slab, kSlabBytes);
  }
}

bool BufferPool::grow() noexcept {
  if (total() + kSlabBuffers > most_ && total() > 0) return false;
  char* const memory = map_aligned(kSlabBytes);
  if (memory == nullptr) return false;
  // A ring that goes round in many buffers touches a page of each, for the processor to translate.
  // One huge page took 3 % off a request; where there is none, it works as well. Not for what a
  // crowded moment asks for: that would be resident whole from then on, and is hardly touched.
  if (slabs_.empty() && most_ >= kSlabBuffers) madvise(memory, kSlabBytes, MADV_HUGEPAGE);
  const auto first = static_cast<uint16_t>(total());
  slabs_.push_back(memory);
  forbid_access(memory, kSlabBytes);
  for (uint32_t i = 0; i < kSlabBuffers && first + i < most_; ++i) {
    const auto id = static_cast<uint16_t>(first + i);
    kernel_.provide_buffer(id, address(id), kUsableBytes);
    ++uncommitted_;
  }
  return true;
}

Buffer BufferPool::adopt(uint16_t id, uint32_t length) noexcept {
  SLUICE_ASSERT(id < total() && length <= kUsableBytes && available_ > 0);
  --available_;
  ++in_use_;
  allow_access(address(id), length + kOverread);
  return Buffer(*this, id, {address(id), length});
}

Buffer BufferPool::take_spare() noexcept {
  char* memory = nullptr;
  if (spares_.empty()) {
    // Aligned to its size, so that the start is found again from any place inside.
    memory =
        static_cast<char*>(operator new(kSpareBytes, std::align_val_t{kSpareBytes}, std::nothrow));
    if (memory == nullptr) return {};
  } else {
    memory = spares_.back();
    spares_.pop_back();
  }
  ++spares_in_use_;
  return Buffer(*this, kSpareId, {memory, 0});
}

void BufferPool::recycle_spare(const char* inside) noexcept {
  --spares_in_use_;
  auto* memory =
      reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(inside) & ~uintptr_t{kSpareBytes - 1});
  if (spares_.size() < kSparesKept) {
    spares_.push_back(memory);
  } else {
    operator delete(memory, std::align_val_t{kSpareBytes});
  }
}

void BufferPool::recycle(uint16_t id, const char* inside) noexcept {
  if (id == kSpareId) return recycle_spare(inside);
  forbid_access(address(id), kBufferBytes);
  kernel_.provide_buffer(id, address(id), kUsableBytes);
  ++uncommitted_;
  --in_use_;
}

void BufferPool::commit() noexcept {
  if (uncommitted_ == 0) return;
  kernel_.commit_buffers();
  available_ += uncommitted_;
  uncommitted_ = 0;
}

}  // namespace sluice::io
