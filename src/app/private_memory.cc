#include "private_memory.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sluice/base/thread_stack.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_HAS_OWN_MMAP 0
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLUICE_HAS_OWN_MMAP 0
#endif
#ifndef SLUICE_HAS_OWN_MMAP
#define SLUICE_HAS_OWN_MMAP 1
#endif

#if SLUICE_HAS_OWN_MMAP

namespace {

void* map_excluded(void* address, size_t bytes, int protection, int flags, int fd,
                   off_t offset) noexcept {
  const auto result = syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
  void* const memory = reinterpret_cast<void*>(result);
  if (memory != MAP_FAILED && (flags & MAP_ANONYMOUS) != 0) {
    madvise(memory, bytes, MADV_DONTDUMP);
  }
  return memory;
}

}  // namespace

// The program's definitions go before libc's for the allocator, LuaJIT and every other library, so
// that whatever memory they take is excluded, with no list of places that could be incomplete.
// Neither is called on the data path in steady state. The labels are needed because libc's header
// renames `mmap` where files may be large.
extern "C" {

void* sluice_mmap(void*, size_t, int, int, int, off_t) noexcept __asm__("mmap");
void* sluice_mmap64(void*, size_t, int, int, int, off_t) noexcept __asm__("mmap64");

__attribute__((visibility("default"), used)) void* sluice_mmap(void* address, size_t bytes,
                                                               int protection, int flags, int fd,
                                                               off_t offset) noexcept {
  return map_excluded(address, bytes, protection, flags, fd, offset);
}

__attribute__((visibility("default"), used)) void* sluice_mmap64(void* address, size_t bytes,
                                                                 int protection, int flags, int fd,
                                                                 off_t offset) noexcept {
  return map_excluded(address, bytes, protection, flags, fd, offset);
}

}  // extern "C"

#endif

namespace sluice::app {
namespace {

// What was mapped before main began: the allocator's first segment, zeroed data, the stack.
void exclude_mappings() noexcept {
  std::FILE* const maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return;
  char line[512];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    uintptr_t begin = 0, end = 0;
    char rights[5] = {};
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, rights) != 3) continue;
    if (std::strcmp(rights, "rw-p") != 0) continue;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTDUMP);
  }
  std::fclose(maps);
}

}  // namespace

void keep_memory_private() noexcept {
  exclude_mappings();
  prepare_thread_stack();
  const char* const wish = std::getenv("SLUICE_DUMPABLE");
  if (wish == nullptr || std::strcmp(wish, "1") != 0) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace sluice::app
