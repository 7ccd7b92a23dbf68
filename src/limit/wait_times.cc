#include <sluice/limit/wait_times.h>

#include <algorithm>

namespace sluice::limit {
namespace {

constexpr Duration kLeast = seconds(1);
constexpr Duration kMost = seconds(60);

}  // namespace

void WaitTimes::note_served(Duration waited, MonoTime now) noexcept {
  // A pause in which nobody waited says nothing about the speed; the wait itself bounds it.
  const Duration between = served_at_ == MonoTime::min() ? waited : now - served_at_;
  const Duration interval = std::min(between, waited);
  served_at_ = now;
  interval_ =
      interval_ == Duration::zero() ? interval : interval_ + (interval - interval_) / kShareOfNew;
}

Duration WaitTimes::estimate(uint32_t queue_size) const noexcept {
  const int64_t ahead = int64_t{queue_size} + 1;
  if (interval_ > kMost / ahead) return kMost;
  return std::clamp<Duration>(interval_ * ahead, kLeast, kMost);
}

}  // namespace sluice::limit
