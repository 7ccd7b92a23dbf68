// Marks memory that lies in a free list, so that AddressSanitizer reports a use of it. Costs
// nothing without the sanitizer.
#pragma once

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_HAS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SLUICE_HAS_ASAN 1
#endif

#ifdef SLUICE_HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace sluice::io {

inline void forbid_access([[maybe_unused]] const void* address, [[maybe_unused]] size_t length) {
#ifdef SLUICE_HAS_ASAN
  ASAN_POISON_MEMORY_REGION(address, length);
#endif
}

inline void allow_access([[maybe_unused]] const void* address, [[maybe_unused]] size_t length) {
#ifdef SLUICE_HAS_ASAN
  ASAN_UNPOISON_MEMORY_REGION(address, length);
#endif
}

}  // namespace sluice::io
