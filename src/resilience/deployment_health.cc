#include <sluice/resilience/deployment_health.h>

#include <algorithm>
#include <tuple>

namespace sluice::resilience {
namespace {

// A change follows what it changes, also when another shard read the clock a little later.
MonoTime time_of_change(MonoTime previous, MonoTime now) noexcept {
  return std::max(now, previous + Duration(1));
}

}  // namespace

BreakerChange later_of(const BreakerChange& a, const BreakerChange& b) noexcept {
  const auto order = [](const BreakerChange& change) {
    return std::tuple(change.at, change.state, change.open_until, change.successes);
  };
  return order(a) < order(b) ? b : a;
}

CooldownChange later_of(const CooldownChange& a, const CooldownChange& b) noexcept {
  return std::tuple(a.at, a.until) < std::tuple(b.at, b.until) ? b : a;
}

DeploymentHealth::DeploymentHealth(const config::BreakerSettings& settings) noexcept {
  set_settings(settings);
}

void DeploymentHealth::set_settings(const config::BreakerSettings& settings) noexcept {
  settings_ = settings;
  recent_.set_window(settings.window);
  refresh_untroubled();
}

Admits DeploymentHealth::admits(MonoTime now) const noexcept {
  if (is_untroubled_) return Admits::kYes;
  if (is_down_ || is_drained_ || ejected_until_ > now || cooldown_.until > now) return Admits::kNo;
  if (!is_breaker_closed()) return breaker_.open_until > now ? Admits::kNo : Admits::kProbe;
  return cooldown_.until != MonoTime::min() ? Admits::kProbe : Admits::kYes;
}

MonoTime DeploymentHealth::usable_at(MonoTime now) const noexcept {
  if (is_down_ || is_drained_) return MonoTime::max();
  const MonoTime closed_at = is_breaker_closed() ? MonoTime::min() : breaker_.open_until;
  return std::max({now, closed_at, cooldown_.until, ejected_until_});
}

void DeploymentHealth::record(const Judgement& judgement, bool was_probe, MonoTime now,
                              MonoTime began_at) noexcept {
  if (judgement.verdict == Verdict::kNothing) return;
  began_at = std::min(began_at, now);
  if (judgement.verdict != Verdict::kOverloaded) {
    const bool failed = judgement.verdict == Verdict::kFailure;
    if (is_breaker_closed()) {
      record_closed(failed, now, began_at);
    } else if (was_probe) {
      record_probe(failed, now, began_at);
    }
  }
  if (judgement.verdict != Verdict::kSuccess) {
    begin_cooldown(judgement.cooldown, now);
  } else if (was_probe && cooldown_.until != MonoTime::min() && cooldown_.until <= began_at) {
    cooldown_ = {.at = time_of_change(cooldown_.at, now), .until = MonoTime::min()};
  }
  refresh_untroubled();
}

void DeploymentHealth::apply(const HealthNews& news, MonoTime now) noexcept {
  apply_breaker(news.breaker);
  cooldown_ = later_of(cooldown_, news.cooldown);
  apply_ejection(news.ejected_until, now);
  const bool was_away = is_down_ || is_drained_;
  is_down_ = news.is_down;
  is_drained_ = news.is_drained;
  if (was_away && !is_down_ && !is_drained_) returned_at_ = std::max(returned_at_, now);
  refresh_untroubled();
}

bool DeploymentHealth::is_breaker_closed() const noexcept {
  return !settings_.enabled || breaker_.state == BreakerState::kClosed;
}

bool DeploymentHealth::is_too_much(MonoTime now) noexcept {
  if (failures_in_row_ >= settings_.consecutive) return true;
  const RecentShare::Counts& counts = recent_.counts(now);
  return counts.whole >= settings_.requests_min &&
         counts.part >= settings_.failure_ratio * counts.whole;
}

void DeploymentHealth::open(MonoTime now) noexcept {
  breaker_ = {.at = time_of_change(breaker_.at, now),
              .state = BreakerState::kOpen,
              .open_until = now + settings_.open_for};
  forget_counts();
}

void DeploymentHealth::close(MonoTime now) noexcept {
  breaker_ = {.at = time_of_change(breaker_.at, now)};
  returned_at_ = std::max(returned_at_, now);
  forget_counts();
}

void DeploymentHealth::forget_counts() noexcept {
  recent_.forget();
  failures_in_row_ = 0;
}

void DeploymentHealth::record_closed(bool failed, MonoTime now, MonoTime began_at) noexcept {
  if (!settings_.enabled || began_at < breaker_.at) return;
  recent_.add_whole(now);
  failures_in_row_ = failed ? failures_in_row_ + 1 : 0;
  if (!failed) return;
  recent_.add_part(now);
  if (is_too_much(now)) open(now);
}

void DeploymentHealth::record_probe(bool failed, MonoTime now, MonoTime began_at) noexcept {
  if (began_at < breaker_.open_until) return;
  if (failed) return open(now);
  if (++breaker_.successes >= settings_.successes) return close(now);
  breaker_.state = BreakerState::kHalfOpen;
}

void DeploymentHealth::begin_cooldown(Duration length, MonoTime now) noexcept {
  const MonoTime until = now + length;
  if (length <= Duration::zero() || until <= cooldown_.until) return;
  cooldown_ = {.at = time_of_change(cooldown_.at, now), .until = until};
}

void DeploymentHealth::apply_breaker(const BreakerChange& change) noexcept {
  const BreakerChange later = later_of(breaker_, change);
  if (later == breaker_) return;
  const bool is_other_opening = later.at != breaker_.at;
  breaker_ = later;
  if (!is_other_opening) return;
  forget_counts();
  if (later.state == BreakerState::kClosed) returned_at_ = std::max(returned_at_, later.at);
}

void DeploymentHealth::apply_ejection(MonoTime until, MonoTime now) noexcept {
  if (until > now) {
    ejected_until_ = until;
    returned_at_ = std::max(returned_at_, until);
  } else {
    if (ejected_until_ > now) returned_at_ = now;
    ejected_until_ = MonoTime::min();
  }
}

void DeploymentHealth::refresh_untroubled() noexcept {
  is_untroubled_ = is_breaker_closed() && cooldown_.until == MonoTime::min() &&
                   ejected_until_ == MonoTime::min() && !is_down_ && !is_drained_;
}

}  // namespace sluice::resilience
