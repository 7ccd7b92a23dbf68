#include <sluice/resilience/outliers.h>

#include <algorithm>
#include <cmath>

namespace sluice::resilience {
namespace {

// The members of a group that can be compared, taken together.
struct Sum {
  uint64_t requests = 0;
  uint64_t failures = 0;
};

bool is_comparable(const OutlierState& member, const config::OutlierSettings& settings,
                   MonoTime now) noexcept {
  return member.ejected_until <= now && member.requests > 0 &&
         member.requests >= settings.requests_min;
}

Sum sum_up(std::span<const OutlierState> group, const config::OutlierSettings& settings,
           MonoTime now) noexcept {
  Sum sum;
  for (const OutlierState& member : group) {
    if (!is_comparable(member, settings, now)) continue;
    sum.requests += member.requests;
    sum.failures += member.failures;
  }
  return sum;
}

// How far its share of failures lies above that of the others; zero when there is no other.
double excess_of(const OutlierState& member, const Sum& sum) noexcept {
  const uint64_t others = sum.requests - member.requests;
  if (others == 0) return 0;
  return static_cast<double>(member.failures) / static_cast<double>(member.requests) -
         static_cast<double>(sum.failures - member.failures) / static_cast<double>(others);
}

bool is_outlier(const OutlierState& member, const Sum& sum, const config::OutlierSettings& settings,
                MonoTime now) noexcept {
  return is_comparable(member, settings, now) && excess_of(member, sum) > settings.ratio_above;
}

OutlierState* find_worst(std::span<OutlierState> group, const config::OutlierSettings& settings,
                         MonoTime now) noexcept {
  const Sum sum = sum_up(group, settings, now);
  OutlierState* worst = nullptr;
  for (OutlierState& member : group) {
    if (!is_outlier(member, sum, settings, now)) continue;
    if (worst == nullptr || excess_of(member, sum) > excess_of(*worst, sum)) worst = &member;
  }
  return worst;
}

}  // namespace

uint32_t eject_outliers(std::span<OutlierState> group, const config::OutlierSettings& settings,
                        MonoTime now) noexcept {
  // 0.34 of 50 is 17, and not a rounding error below it.
  const double share = settings.share_max * static_cast<double>(group.size()) + 1e-9;
  const auto most = static_cast<uint32_t>(std::floor(share));
  uint32_t ejected = 0;
  const auto is_away = [&](const OutlierState& member) { return member.ejected_until > now; };
  auto away = static_cast<uint32_t>(std::ranges::count_if(group, is_away));
  while (away < most) {
    OutlierState* const worst = find_worst(group, settings, now);
    if (worst == nullptr) break;
    worst->ejections = std::min(worst->ejections + 1, kEjectionsMax);
    worst->ejected_until = now + worst->ejections * settings.eject_for;
    ++away;
    ++ejected;
  }
  const Sum sum = sum_up(group, settings, now);
  for (OutlierState& member : group) {
    if (member.ejections == 0 || !is_comparable(member, settings, now)) continue;
    if (!is_outlier(member, sum, settings, now)) --member.ejections;
  }
  return ejected;
}

}  // namespace sluice::resilience
