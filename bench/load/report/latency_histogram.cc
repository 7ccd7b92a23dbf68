#include "report/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace sluice::load {

void LatencyHistogram::record(Duration duration) noexcept {
  const auto ns = static_cast<uint64_t>(std::max<int64_t>(0, duration.count()));
  ++buckets_[bucket_of(ns)];
  ++count_;
  sum_ns_ += ns;
  max_ns_ = std::max(max_ns_, ns);
}

uint64_t LatencyHistogram::middle_of(size_t bucket) noexcept {
  if (bucket < 2 * kSubs) return bucket;
  const uint64_t shift = (bucket >> kSubBits) - 1;
  const uint64_t low = (bucket - (shift << kSubBits)) << shift;
  return low + ((uint64_t{1} << shift) >> 1);
}

Duration LatencyHistogram::quantile(double share) const noexcept {
  if (count_ == 0) return Duration::zero();
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  const uint64_t rank = std::clamp<uint64_t>(wanted, 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return Duration(std::min(middle_of(i), max_ns_));
  }
  return max();
}

void LatencyHistogram::add(const LatencyHistogram& other) noexcept {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ns_ += other.sum_ns_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

uint64_t LatencyHistogram::count_between(Duration from, Duration to) const noexcept {
  const size_t first = bucket_of(static_cast<uint64_t>(std::max<int64_t>(0, from.count())));
  const size_t last = bucket_of(static_cast<uint64_t>(std::max<int64_t>(0, to.count())));
  uint64_t total = 0;
  for (size_t i = first; i < last; ++i) total += buckets_[i];
  return total;
}

}  // namespace sluice::load
