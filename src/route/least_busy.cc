#include <algorithm>

#include <sluice/route/strategies.h>

namespace sluice::route {

uint32_t choose_least_busy(std::span<const Candidate> candidates, const RouteSet& usable,
                           const Choice& choice) noexcept {
  OthersEcho echo;
  usable.for_each([&](uint32_t index) { echo.add(*candidates[index].stats); });
  const RouteSet lowest = find_lowest(candidates, usable, [&](const Candidate& candidate) {
    return (echo.in_flight(*candidate.stats) + 1) /
           static_cast<double>(share(candidate, choice.now));
  });
  return choose_random(candidates, lowest, choice);
}

}  // namespace sluice::route
