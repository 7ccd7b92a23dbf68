// The simulated kernel writes to receive buffers that the program may not touch at that time.
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

namespace sluice::support {

inline void allow_access([[maybe_unused]] const char* address, [[maybe_unused]] size_t length) {
#ifdef SLUICE_HAS_ASAN
  ASAN_UNPOISON_MEMORY_REGION(address, length);
#endif
}

}  // namespace sluice::support
