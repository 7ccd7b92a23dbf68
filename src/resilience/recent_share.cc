#include <sluice/resilience/recent_share.h>

#include <algorithm>

namespace sluice::resilience {

void RecentShare::set_window(Duration window) noexcept {
  const Duration width = std::max(window / kBuckets, Duration(1));
  if (width == width_) return;
  width_ = width;
  forget();
}

void RecentShare::add_whole(MonoTime now) noexcept {
  turn_to(now);
  ++buckets_[static_cast<uint64_t>(newest_) % kBuckets].whole;
  ++sum_.whole;
}

void RecentShare::add_part(MonoTime now) noexcept {
  turn_to(now);
  ++buckets_[static_cast<uint64_t>(newest_) % kBuckets].part;
  ++sum_.part;
}

const RecentShare::Counts& RecentShare::counts(MonoTime now) noexcept {
  turn_to(now);
  return sum_;
}

void RecentShare::forget() noexcept {
  buckets_ = {};
  sum_ = {};
}

void RecentShare::turn_to(MonoTime now) noexcept {
  const int64_t number = now.time_since_epoch() / width_;
  if (number == newest_) return;
  if (number - newest_ >= int64_t{kBuckets}) {
    forget();
    newest_ = number;
    return;
  }
  while (newest_ < number) {
    Counts& oldest = buckets_[static_cast<uint64_t>(++newest_) % kBuckets];
    sum_.whole -= oldest.whole;
    sum_.part -= oldest.part;
    oldest = {};
  }
}

}  // namespace sluice::resilience
