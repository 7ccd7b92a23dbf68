// When a deployment is to be checked actively, and whether it is down by its checks.
#pragma once

#include <cstdint>

#include <sluice/base/clock.h>
#include <sluice/config/routing.h>

namespace sluice::resilience {

// The checks of one deployment, without the requests themselves: the owner makes a check when one
// is due, and notes how it went. Any `random` is uniform over 64 bits.
//
// Up until proved otherwise, by `unhealthy_after` failed checks in a row; down until
// `healthy_after` passed ones in a row. Live traffic that goes well takes the place of checks while
// it is up.
//
// Owned by the control thread.
class HealthChecker {
 public:
  // The first check is due within a tenth of the interval, so that a dead deployment is found early
  // and many do not begin in one instant.
  HealthChecker(const config::HealthCheck& settings, MonoTime now, uint64_t random) noexcept;

  // Keeps state; a check that was due stays due.
  void set_settings(const config::HealthCheck& settings) noexcept { settings_ = settings; }

  // When take_due() may be true; MonoTime::max() while a check runs.
  [[nodiscard]] MonoTime next_due() const noexcept;
  // True when a check is to be made now: the owner calls note() once for each true, at the latest
  // when the check's timeout is over.
  [[nodiscard]] bool take_due(MonoTime now) noexcept;
  void note(bool has_passed, MonoTime now, uint64_t random) noexcept;

  // To be called when, since it was last called, attempts of clients succeeded and none failed.
  void note_passive_success(MonoTime now, uint64_t random) noexcept;

  [[nodiscard]] bool is_down() const noexcept { return is_down_; }

 private:
  [[nodiscard]] MonoTime after_interval(MonoTime now, uint64_t random) const noexcept;

  config::HealthCheck settings_;
  MonoTime due_;
  uint32_t results_in_row_ = 0;  // That speak against is_down_.
  bool is_running_ = false;
  bool is_down_ = false;
};

}  // namespace sluice::resilience
