// What each thread does first, so that a crash can be reported and its stack is in no core file.
#pragma once

namespace sluice {

// Gives the calling thread a second stack for signal catchers, on which even an overflow of its
// own can be reported, and excludes its own stack from core files: what requests carry was there.
// Call once at the start of a thread. What the kernel refuses is left as it is.
void prepare_thread_stack() noexcept;

}  // namespace sluice
