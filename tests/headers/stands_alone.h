// Includes what it uses.
#pragma once

#include <cstdint>

inline uint32_t twice(uint32_t number) { return 2 * number; }
