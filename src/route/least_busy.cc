#include <sluice/route/strategies.h>

namespace sluice::route {

uint32_t choose_least_busy(std::span<const Candidate> candidates, const RouteSet& usable,
                           const Choice& choice) noexcept {
  const RouteSet lowest = find_lowest(candidates, usable, [&](const Candidate& candidate) {
    return (static_cast<double>(candidate.stats->total_in_flight()) + 1) /
           static_cast<double>(share(candidate, choice.now));
  });
  return choose_random(candidates, lowest, choice);
}

}  // namespace sluice::route
