// What libcrypto allocates in this program.
#pragma once

#include <cstdint>

namespace sluice::crypto {

// False when libcrypto had allocated before it could be told to count.
[[nodiscard]] bool libcrypto_is_counted();

// Blocks made since the start, of all threads.
[[nodiscard]] int64_t libcrypto_allocations();

// Blocks made and not yet freed.
[[nodiscard]] int64_t libcrypto_blocks();

}  // namespace sluice::crypto
