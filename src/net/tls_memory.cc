#include "tls_memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>

namespace sluice::net {
namespace {

constexpr size_t kPageBytes = 4096;

bool is_zero(const char* page) noexcept {
  return page[0] == 0 && std::memcmp(page, page + 1, kPageBytes - 1) == 0;
}

}  // namespace

void release_zero_pages(void* block) noexcept {
  if (block == nullptr) return;
  char* const begin = static_cast<char*>(block);
  char* const end = begin + malloc_usable_size(block);
  const size_t beyond = reinterpret_cast<uintptr_t>(begin) % kPageBytes;
  char* page = begin + (beyond == 0 ? 0 : kPageBytes - beyond);
  while (page + kPageBytes <= end) {
    char* run = page;
    while (run + kPageBytes <= end && is_zero(run)) run += kPageBytes;
    if (run > page) madvise(page, static_cast<size_t>(run - page), MADV_DONTNEED);
    page = run + kPageBytes;
  }
}

}  // namespace sluice::net
