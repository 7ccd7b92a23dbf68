// Vector registers keep what was copied last, and a core file holds those of every thread.
#pragma once

namespace sluice {

// Clears the registers that a copy or a search of text uses: up to 64 bytes each, which may be of a
// secret. For a thread that is about to sleep; some twenty instructions. The calling convention
// lets every function do so. Elsewhere than on x86-64 it does nothing. Suspends never.
void clear_vector_registers() noexcept;

}  // namespace sluice
