// Units in which the bounds of settings are written, and bounds that many settings share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::config {

inline constexpr size_t kPathBytesMax = 4095;  // PATH_MAX of Linux, without its NUL.

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;

// Bounds of durations are in milliseconds.
inline constexpr int64_t kSecond = 1000;
inline constexpr int64_t kMinute = 60 * kSecond;
inline constexpr int64_t kHour = 60 * kMinute;
inline constexpr int64_t kDay = 24 * kHour;
inline constexpr int64_t kTimeoutMin = 10;

}  // namespace sluice::config
