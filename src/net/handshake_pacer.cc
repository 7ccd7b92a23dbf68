#include <sluice/net/tls.h>

#include <algorithm>

namespace sluice::net {

HandshakePacer::HandshakePacer(double rate, uint32_t burst) noexcept
    : interval_(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / rate))),
      tolerance_(interval_ * burst) {}

MonoTime HandshakePacer::take_place(MonoTime now) noexcept {
  const MonoTime begin = std::max(now, next_ - tolerance_);
  next_ = std::max(now, next_) + interval_;
  return begin;
}

bool HandshakePacer::has_place_before(MonoTime latest) const noexcept {
  return next_ - tolerance_ < latest;
}

}  // namespace sluice::net
