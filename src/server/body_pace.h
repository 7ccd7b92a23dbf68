// When a body that comes in too slowly is given up.
#pragma once

#include <cstdint>

#include <sluice/base/clock.h>
#include <sluice/base/deadline.h>

namespace sluice::server {

// A body has to keep a rate from its first wait on, after a grace that covers a slow beginning.
// What has come buys time, so that a client that was fast may pause.
class BodyPace {
 public:
  static constexpr Duration kGrace = seconds(5);

  // `rate_min` in bytes a second; 0 asks for nothing.
  BodyPace(MonoTime began, uint32_t rate_min) noexcept : began_(began), rate_min_(rate_min) {}

  // By when more than `bytes`, which have come so far, must be there.
  [[nodiscard]] Deadline due(uint64_t bytes) const noexcept {
    if (rate_min_ == 0) return Deadline::never();
    // Beyond a year the time has no meaning, and the product no room.
    constexpr uint64_t kSecondsMost = 366 * 86'400;
    const uint64_t whole = bytes / rate_min_;
    if (whole > kSecondsMost) return Deadline::never();
    const uint64_t rest_ns = bytes % rate_min_ * 1'000'000'000 / rate_min_;
    return Deadline{began_ + kGrace + seconds(static_cast<int64_t>(whole)) +
                    Duration(static_cast<int64_t>(rest_ns))};
  }

 private:
  MonoTime began_;
  uint32_t rate_min_;
};

}  // namespace sluice::server
