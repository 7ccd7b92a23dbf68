#include <sluice/resilience/health_checker.h>

#include <sluice/base/assert.h>
#include <sluice/base/product.h>

namespace sluice::resilience {
namespace {

// Uniform from zero to `most`.
Duration random_below(Duration most, uint64_t random) noexcept {
  return Duration(
      static_cast<int64_t>(multiply(static_cast<uint64_t>(most.count()) + 1, random).high));
}

}  // namespace

HealthChecker::HealthChecker(const config::HealthCheck& settings, MonoTime now,
                             uint64_t random) noexcept
    : settings_(settings), due_(now + random_below(settings.interval / 10, random)) {}

MonoTime HealthChecker::next_due() const noexcept { return is_running_ ? MonoTime::max() : due_; }

bool HealthChecker::take_due(MonoTime now) noexcept {
  if (now < next_due()) return false;
  is_running_ = true;
  return true;
}

void HealthChecker::note(bool has_passed, MonoTime now, uint64_t random) noexcept {
  SLUICE_ASSERT(is_running_);
  is_running_ = false;
  due_ = after_interval(now, random);
  results_in_row_ = has_passed == is_down_ ? results_in_row_ + 1 : 0;
  if (results_in_row_ < (is_down_ ? settings_.healthy_after : settings_.unhealthy_after)) return;
  if (results_in_row_ == 0) return;
  is_down_ = !is_down_;
  results_in_row_ = 0;
}

void HealthChecker::note_passive_success(MonoTime now, uint64_t random) noexcept {
  if (is_down_) return;
  results_in_row_ = 0;
  due_ = after_interval(now, random);
}

MonoTime HealthChecker::after_interval(MonoTime now, uint64_t random) const noexcept {
  const Duration jitter = settings_.interval / 10;
  return now + settings_.interval - jitter + random_below(2 * jitter, random);
}

}  // namespace sluice::resilience
