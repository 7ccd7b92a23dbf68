// Bounds of what the load's connections read.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::load {

inline constexpr size_t kOverread = 64;  // What simdjson may read behind a text.
inline constexpr uint32_t kHeadBytesMax = 32 * 1024;

}  // namespace sluice::load
