// The models that answer when all routes of one have failed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::config {

inline constexpr size_t kFallbacksMax = 32;  // Of one model, with those that they fall back to.

struct FlatFallbacks {
  // In the order of trying, none twice and never the model itself; one more than kFallbacksMax
  // when there are too many.
  std::vector<std::vector<uint32_t>> of_model;
  // The models of each cycle, the one that begins it also at the end.
  std::vector<std::vector<uint32_t>> cycles;
};

// `direct[i]` is what the file gives model `i`, as indices. Takes time in proportion to all of them
// together.
[[nodiscard]] FlatFallbacks flatten_fallbacks(std::span<const std::vector<uint32_t>> direct);

}  // namespace sluice::config
