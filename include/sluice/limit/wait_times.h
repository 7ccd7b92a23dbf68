// How long one more request would wait in line, for retry-after.
#pragma once

#include <cstdint>

#include <sluice/base/clock.h>

namespace sluice::limit {

// Learns from how fast places came free lately. One shard's queue of one model.
class WaitTimes {
 public:
  // A request was served after `waited` in line.
  void note_served(Duration waited, MonoTime now) noexcept;
  // For one more behind `queue_size` others; between a second and a minute.
  [[nodiscard]] Duration estimate(uint32_t queue_size) const noexcept;

 private:
  static constexpr int kShareOfNew = 8;  // A new interval counts for an eighth.

  MonoTime served_at_ = MonoTime::min();
  Duration interval_{};  // Mean time between two that were served; zero while unknown.
};

}  // namespace sluice::limit
