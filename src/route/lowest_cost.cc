#include <sluice/route/strategies.h>

namespace sluice::route {

uint32_t choose_lowest_cost(std::span<const Candidate> candidates, const RouteSet& usable,
                            const Choice& choice) noexcept {
  const RouteSet lowest =
      find_lowest(candidates, usable, [](const Candidate& candidate) { return candidate.cost; });
  return choose_random(candidates, lowest, choice);
}

}  // namespace sluice::route
