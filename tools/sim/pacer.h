// When the tokens of one answer are due.
#pragma once

#include <cstdint>

#include <sluice/base/clock.h>

namespace sluice::sim {

// Every token's time is reckoned from the start, never from the token before, so that lateness
// does not add up. Past about 290 years it stays at the last moment there is.
class Pacer {
 public:
  Pacer(MonoTime start, Duration ttft, double tps) noexcept
      : first_(start + ttft), gap_ns_(tps > 0 ? 1e9 / tps : 0) {}

  [[nodiscard]] MonoTime due(uint64_t token) const noexcept {
    const double after_ns = gap_ns_ * static_cast<double>(token);
    const auto most_ns = static_cast<double>((MonoTime::max() - first_).count());
    if (after_ns >= most_ns) return MonoTime::max();
    return first_ + Duration(static_cast<int64_t>(after_ns + 0.5));
  }
  // When the last of `tokens` is out; an answer in one piece is due then.
  [[nodiscard]] MonoTime end(uint64_t tokens) const noexcept {
    return due(tokens == 0 ? 0 : tokens - 1);
  }

 private:
  MonoTime first_;
  double gap_ns_;
};

}  // namespace sluice::sim
