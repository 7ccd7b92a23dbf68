// Which deployments fail so much more often than their like that they are rested.
#pragma once

#include <cstdint>
#include <span>

#include <sluice/base/clock.h>
#include <sluice/config/routing.h>

namespace sluice::resilience {

// One deployment of a group whose members can stand in for each other.
struct OutlierState {
  uint64_t requests = 0;  // Of the interval that ended.
  uint64_t failures = 0;  // Of those.
  MonoTime ejected_until = MonoTime::min();
  uint32_t ejections = 0;  // Bounded by kEjectionsMax; forgotten one by one in good intervals.
};

// The longest ejection is so many times `eject_for`.
inline constexpr uint32_t kEjectionsMax = 5;

// To be called at the end of each interval. Ejects, worst first, those with enough requests whose
// share of failures is higher by `ratio_above` than that of all others with enough requests taken
// together, for `eject_for` times the ejections so far. No more than `share_max` of `group`,
// rounded down, is ejected at a time: of two with the default share, none. Returns how many it
// ejected.
uint32_t eject_outliers(std::span<OutlierState> group, const config::OutlierSettings& settings,
                        MonoTime now) noexcept;

}  // namespace sluice::resilience
