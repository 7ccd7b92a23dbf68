// Durations in buckets that are less than 1 % wide, over the whole range, in bounded memory.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <sluice/base/clock.h>

namespace sluice::load {

// After HdrHistogram: each power of two is cut into 128 equal buckets, values below 128 ns are
// exact. 58 KiB, and no value is too large for it.
class LatencyHistogram {
 public:
  // A negative `duration` counts as zero.
  void record(Duration duration) noexcept;

  [[nodiscard]] uint64_t count() const noexcept { return count_; }
  [[nodiscard]] Duration max() const noexcept { return Duration(max_ns_); }
  [[nodiscard]] Duration mean() const noexcept {
    return Duration(count_ == 0 ? 0 : sum_ns_ / count_);
  }
  // The least value, up to its bucket's width, that at least `share` (0 to 1) of all values do not
  // exceed; zero when there are none.
  [[nodiscard]] Duration quantile(double share) const noexcept;
  // As if the other's values had been recorded here.
  void add(const LatencyHistogram& other) noexcept;
  // Calls `visit(value, count)` for each bucket that is not empty, in order of values.
  template <class Visit>
  void for_each(Visit visit) const {
    for (size_t i = 0; i < kBuckets; ++i) {
      if (buckets_[i] > 0) visit(Duration(middle_of(i)), buckets_[i]);
    }
  }
  // How many lie in [from, to), up to the width of the buckets at the edges.
  [[nodiscard]] uint64_t count_between(Duration from, Duration to) const noexcept;

 private:
  static constexpr uint32_t kSubBits = 7;
  static constexpr uint64_t kSubs = uint64_t{1} << kSubBits;
  static constexpr size_t kBuckets = (64 - kSubBits + 1) * kSubs;

  [[nodiscard]] static size_t bucket_of(uint64_t ns) noexcept {
    if (ns < kSubs) return static_cast<size_t>(ns);
    const auto shift = static_cast<uint32_t>(std::bit_width(ns)) - kSubBits - 1;
    return static_cast<size_t>((uint64_t{shift} << kSubBits) + (ns >> shift));
  }
  // The middle of the bucket, which is wrong by less than half a bucket.
  [[nodiscard]] static uint64_t middle_of(size_t bucket) noexcept;

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ns_ = 0;
  uint64_t max_ns_ = 0;
};

}  // namespace sluice::load
