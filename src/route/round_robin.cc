#include <sluice/route/strategies.h>

namespace sluice::route {

// Positions are the order of the last use: a smaller one is longer ago. They stay below the number
// of candidates, so there is no counter that could wrap. A cursor instead would give all turns of
// an unusable candidate to the one behind it.
uint32_t choose_round_robin(std::span<Candidate> candidates, const RouteSet& usable) noexcept {
  uint32_t chosen = usable.first();
  usable.for_each([&](uint32_t index) {
    if (candidates[index].position < candidates[chosen].position) chosen = index;
  });
  const int64_t was = candidates[chosen].position;
  for (Candidate& candidate : candidates) candidate.position -= candidate.position > was ? 1 : 0;
  candidates[chosen].position = static_cast<int64_t>(candidates.size()) - 1;
  return chosen;
}

}  // namespace sluice::route
