// Whether one deployment may be asked: its breaker, its cooldown, and what control says of it.
#pragma once

#include <cstdint>

#include <sluice/base/clock.h>
#include <sluice/config/routing.h>
#include <sluice/resilience/judge.h>
#include <sluice/resilience/recent_share.h>

namespace sluice::resilience {

enum class BreakerState : uint8_t {
  kClosed,    // All requests go.
  kOpen,      // None goes before `open_until`, then probes only.
  kHalfOpen,  // Probes only; one has succeeded.
};

// A change of a breaker, wherever it happened.
struct BreakerChange {
  MonoTime at = MonoTime::min();  // Of the change. Half-open keeps the time of the opening.
  BreakerState state = BreakerState::kClosed;
  MonoTime open_until = MonoTime::min();
  uint32_t successes = 0;  // Of probes since the opening, as far as known.
  bool operator==(const BreakerChange&) const = default;
};

// A change of a cooldown. One that ended by a probe's success, or that was cleared, has an `until`
// of MonoTime::min().
struct CooldownChange {
  MonoTime at = MonoTime::min();
  MonoTime until = MonoTime::min();
  bool operator==(const CooldownChange&) const = default;
};

// The later of two; a total order, so that shards agree whatever the order of their news.
[[nodiscard]] BreakerChange later_of(const BreakerChange& a, const BreakerChange& b) noexcept;
[[nodiscard]] CooldownChange later_of(const CooldownChange& a, const CooldownChange& b) noexcept;

// From control: the later changes of all shards, and what control alone decides.
struct HealthNews {
  BreakerChange breaker;
  CooldownChange cooldown;
  MonoTime ejected_until = MonoTime::min();
  bool is_down = false;     // By active checks.
  bool is_drained = false;  // By an operator, or because discovery lost it.
};

enum class Admits : uint8_t {
  kYes,
  kProbe,  // With a probe place only, for its last failure or cooldown is not yet disproved.
  kNo,
};

// One deployment as one shard sees it.
//
// The breaker counts while it is closed. Once open it is moved by probes only: `successes` of them
// in a row close it, one that fails opens it anew. A cooldown that is over lets probes through
// until one succeeds. Of what shards find out on their own the later change wins everywhere.
//
// An attempt is heard only when it began after what it would change: one that began before the
// breaker closed does not reopen it, and a probe of an earlier opening decides nothing.
//
// Owned by one shard; nothing allocates.
class DeploymentHealth {
 public:
  explicit DeploymentHealth(const config::BreakerSettings& settings) noexcept;

  // Keeps state and counts; another window begins to count anew.
  void set_settings(const config::BreakerSettings& settings) noexcept;

  // True when admits() is kYes at any time: the usual case, in one load.
  [[nodiscard]] bool is_untroubled() const noexcept { return is_untroubled_; }
  [[nodiscard]] Admits admits(MonoTime now) const noexcept;

  // Takes in how an attempt ended that began at `began_at` (unknown: just now). kNothing changes
  // nothing, and needs no time. A cooldown does not shorten one that lasts longer.
  void record(const Judgement& judgement, bool was_probe, MonoTime now,
              MonoTime began_at = MonoTime::max()) noexcept;
  // Idempotent; news may come late and out of order.
  void apply(const HealthNews& news, MonoTime now) noexcept;

  [[nodiscard]] const BreakerChange& breaker() const noexcept { return breaker_; }
  [[nodiscard]] const CooldownChange& cooldown() const noexcept { return cooldown_; }

  // When it may be asked again, by a probe at least; `now` or later. MonoTime::max() when that is
  // not known: down or drained.
  [[nodiscard]] MonoTime usable_at(MonoTime now) const noexcept;

  // When it came back last: the breaker closed, it is no longer down, drained or ejected (a time
  // ahead while it is ejected); MonoTime::min() when it was never away. A slow start runs from it.
  // A cooldown is no absence.
  [[nodiscard]] MonoTime returned_at() const noexcept { return returned_at_; }

 private:
  [[nodiscard]] bool is_breaker_closed() const noexcept;
  [[nodiscard]] bool is_too_much(MonoTime now) noexcept;
  void open(MonoTime now) noexcept;
  void close(MonoTime now) noexcept;
  void forget_counts() noexcept;
  void record_closed(bool failed, MonoTime now, MonoTime began_at) noexcept;
  void record_probe(bool failed, MonoTime now, MonoTime began_at) noexcept;
  void begin_cooldown(Duration length, MonoTime now) noexcept;
  void apply_breaker(const BreakerChange& change) noexcept;
  void apply_ejection(MonoTime until, MonoTime now) noexcept;
  void refresh_untroubled() noexcept;

  config::BreakerSettings settings_;
  BreakerChange breaker_;
  CooldownChange cooldown_;
  MonoTime ejected_until_ = MonoTime::min();
  MonoTime returned_at_ = MonoTime::min();
  bool is_down_ = false;
  bool is_drained_ = false;
  bool is_untroubled_ = true;

  RecentShare recent_;  // Of requests, the failures.
  uint32_t failures_in_row_ = 0;
};

}  // namespace sluice::resilience
