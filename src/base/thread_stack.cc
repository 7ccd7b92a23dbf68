#include <sluice/base/thread_stack.h>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <cstddef>

namespace sluice {
namespace {

// Unwinding takes some 10 KiB. Only pages that a catcher touches take memory.
constexpr size_t kSignalStackBytes = 64 << 10;
constinit thread_local std::array<std::byte, kSignalStackBytes> signal_stack{};

void exclude_own_stack() noexcept {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  void* begin = nullptr;
  size_t bytes = 0;
  if (pthread_attr_getstack(&attributes, &begin, &bytes) == 0) {
    madvise(begin, bytes, MADV_DONTDUMP);
  }
  pthread_attr_destroy(&attributes);
}

}  // namespace

void prepare_thread_stack() noexcept {
  stack_t old{};
  // A sanitizer has one of its own.
  if (sigaltstack(nullptr, &old) == 0 && (old.ss_flags & SS_DISABLE) != 0) {
    stack_t stack{};
    stack.ss_sp = signal_stack.data();
    stack.ss_size = signal_stack.size();
    sigaltstack(&stack, nullptr);
  }
  exclude_own_stack();
}

}  // namespace sluice
