// Checks for what our own code must guarantee; never for what a peer may send.
#pragma once

namespace sluice {

// Prints the failed condition with its place and ends the process. Does not return.
[[noreturn]] void assert_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace sluice

// Always on, in release builds too: a broken invariant must not go on serving traffic.
#define SLUICE_ASSERT(condition)                       \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::sluice::assert_failed(#condition, __FILE__, __LINE__))
