#include <sluice/io/block_pool.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "poison.h"

namespace sluice::io {

BlockPool::~BlockPool() { drop_cache(); }

int BlockPool::class_of(size_t bytes) noexcept {
  for (size_t i = 0; i < kClasses.size(); ++i) {
    if (bytes <= kClasses[i].bytes) return static_cast<int>(i);
  }
  return -1;
}

char* BlockPool::allocate(size_t capacity) noexcept {
  if (!budget_.take(capacity)) {
    drop_cache();
    if (!budget_.take(capacity)) return nullptr;
  }
  void* memory = std::malloc(capacity + kOverread);
  if (memory == nullptr) budget_.give_back(capacity);
  return static_cast<char*>(memory);
}

Block BlockPool::take(size_t bytes) noexcept {
  const int index = class_of(bytes);
  const size_t capacity = index < 0 ? bytes : kClasses[static_cast<size_t>(index)].bytes;
  if (index >= 0 && free_[static_cast<size_t>(index)] != nullptr) {
    FreeBlock*& head = free_[static_cast<size_t>(index)];
    char* data = reinterpret_cast<char*>(head);
    head = head->next;
    --cached_[static_cast<size_t>(index)];
    allow_access(data, capacity + kOverread);
    return Block(*this, data, capacity);
  }
  char* data = allocate(capacity);
  if (data == nullptr) return {};
  return Block(*this, data, capacity);
}

bool BlockPool::grow(Block& block, size_t used, size_t bytes) noexcept {
  if (bytes <= block.capacity()) return true;
  Block larger = take(bytes);
  if (!larger.is_held()) return false;
  if (used > 0) std::memcpy(larger.data(), block.data(), used);
  block = std::move(larger);
  return true;
}

void BlockPool::give_back(char* data, size_t capacity) noexcept {
  const int index = class_of(capacity);
  if (index >= 0) {
    const auto at = static_cast<size_t>(index);
    if (kClasses[at].bytes == capacity && cached_[at] < kClasses[at].cached_max) {
      free_[at] = new (data) FreeBlock{free_[at]};
      ++cached_[at];
      forbid_access(data + sizeof(FreeBlock), capacity + kOverread - sizeof(FreeBlock));
      return;
    }
  }
  std::free(data);
  budget_.give_back(capacity);
}

void BlockPool::drop_cache() noexcept {
  for (size_t i = 0; i < kClasses.size(); ++i) {
    while (free_[i] != nullptr) {
      FreeBlock* next = free_[i]->next;
      allow_access(free_[i], kClasses[i].bytes + kOverread);
      std::free(free_[i]);
      budget_.give_back(kClasses[i].bytes);
      free_[i] = next;
    }
    cached_[i] = 0;
  }
}

}  // namespace sluice::io
