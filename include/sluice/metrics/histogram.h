// Durations counted in fixed buckets; one thread writes, any thread reads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <sluice/base/clock.h>
#include <sluice/metrics/counter.h>

namespace sluice::metrics {

// Upper bounds in microseconds. The first two sets are those that the OpenTelemetry conventions
// for generative AI suggest, so that dashboards made for other gateways fit.
inline constexpr std::array<int32_t, 14> kRequestBounds = {
    10'000,    20'000,    40'000,    80'000,     160'000,    320'000,    640'000,
    1'280'000, 2'560'000, 5'120'000, 10'240'000, 20'480'000, 40'960'000, 81'920'000};
inline constexpr std::array<int32_t, 16> kFirstTokenBounds = {
    1'000,   5'000,   10'000,  20'000,    40'000,    60'000,    80'000,    100'000,
    250'000, 500'000, 750'000, 1'000'000, 2'500'000, 5'000'000, 7'500'000, 10'000'000};
// For our own work and for what should take microseconds on a healthy machine.
inline constexpr std::array<int32_t, 16> kShortBounds = {
    5,     10,    20,     50,     100,    200,     500,       1'000,
    2'000, 5'000, 10'000, 20'000, 50'000, 100'000, 1'000'000, 10'000'000};

// For ratios, where 1 is told as one second.
inline constexpr std::array<int32_t, 11> kRatioBounds = {10'000,    20'000,    50'000,   100'000,
                                                         150'000,   200'000,   300'000,  500'000,
                                                         1'000'000, 2'000'000, 5'000'000};

// Counts durations exactly by the bounds that are shown, so that no second set of buckets has to
// be merged into them. The search is a branch-free count of the bounds below the value, four
// 32-bit compares per instruction, which is faster than any tree at 16 bounds.
template <const auto& kBounds>
class Histogram {
 public:
  static constexpr size_t kBuckets = kBounds.size() + 1;  // The last one is +Inf.

  // A negative `duration` counts as zero.
  void record(Duration duration) noexcept {
    const auto ns = duration.count() > 0 ? static_cast<uint64_t>(duration.count()) : 0;
    // Rounded up, so that a value just above a bound never counts as within it.
    const uint64_t rounded = (ns + 999) / 1000;
    constexpr uint64_t kMost = std::numeric_limits<int32_t>::max();
    const auto us = static_cast<int32_t>(rounded < kMost ? rounded : kMost);
    uint32_t index = 0;
    for (const int32_t bound : kBounds) index += us > bound ? 1u : 0u;
    buckets_[index].add();
    sum_ns_.add(ns);
  }

  [[nodiscard]] static constexpr const auto& bounds() noexcept { return kBounds; }
  [[nodiscard]] uint64_t bucket(size_t index) const noexcept { return buckets_[index].value(); }
  [[nodiscard]] uint64_t sum_ns() const noexcept { return sum_ns_.value(); }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_ns_;
};

using RequestHistogram = Histogram<kRequestBounds>;
using FirstTokenHistogram = Histogram<kFirstTokenBounds>;
using ShortHistogram = Histogram<kShortBounds>;
using RatioHistogram = Histogram<kRatioBounds>;

}  // namespace sluice::metrics
