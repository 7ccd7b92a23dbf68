// How often this thread has allocated; counted by the operators of counted_new.h.
#pragma once

#include <cstdint>

namespace sluice::support {

inline thread_local uint64_t allocations = 0;

}  // namespace sluice::support
