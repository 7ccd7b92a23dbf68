#include "libcrypto_memory.h"

#include <atomic>
#include <cstdlib>

#include <openssl/crypto.h>

namespace sluice::crypto {
namespace {

std::atomic<int64_t> allocations = 0;
std::atomic<int64_t> blocks = 0;

void* allocate(size_t bytes, const char*, int) {
  ++allocations;
  ++blocks;
  return std::malloc(bytes);
}

void* reallocate(void* block, size_t bytes, const char*, int) {
  ++allocations;
  blocks += block == nullptr ? 1 : 0;
  return std::realloc(block, bytes);
}

void release(void* block, const char*, int) {
  blocks -= block == nullptr ? 0 : 1;
  std::free(block);
}

// libcrypto takes our functions only before its first allocation, hence at start-up.
const bool counted = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;

}  // namespace

bool libcrypto_is_counted() { return counted; }
int64_t libcrypto_allocations() { return allocations; }
int64_t libcrypto_blocks() { return blocks; }

}  // namespace sluice::crypto
