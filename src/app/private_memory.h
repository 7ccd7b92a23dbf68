// Keeps the process's memory out of core files and away from other processes.
#pragma once

namespace sluice::app {

// Excludes every writable private mapping that there is from core files; those that come later are
// excluded as they are made (private_memory.cc takes the place of mmap). Also forbids core files
// and the reading of this process's memory to all but root, unless the variable SLUICE_DUMPABLE is
// "1". Call first of all: before a secret is read and before a thread starts.
void keep_memory_private() noexcept;

}  // namespace sluice::app
