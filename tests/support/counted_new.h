// Counts every allocation of a test program's thread. Defines the global operators, hence: include
// it in exactly one source of the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "allocations.h"

namespace sluice::support {

inline void* counted_malloc(size_t bytes) noexcept {
  ++allocations;
  return std::malloc(bytes);
}

inline void* counted_malloc_or_throw(size_t bytes) {
  if (void* block = counted_malloc(bytes)) return block;
  throw std::bad_alloc();
}

}  // namespace sluice::support

// All forms, because a shared library may call another form than the one it is freed by, and the
// address sanitizer takes a mixture of its own and these for a fault.
void* operator new(size_t bytes) { return sluice::support::counted_malloc_or_throw(bytes); }
void* operator new[](size_t bytes) { return sluice::support::counted_malloc_or_throw(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return sluice::support::counted_malloc(bytes);
}
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept {
  return sluice::support::counted_malloc(bytes);
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
void operator delete[](void* block, size_t) noexcept { std::free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { std::free(block); }
