#include <sluice/route/strategies.h>

namespace sluice::route {

uint32_t choose_weighted(std::span<Candidate> candidates, const RouteSet& usable,
                         const Choice& choice) noexcept {
  uint32_t best = usable.first();
  int64_t total = 0;
  usable.for_each([&](uint32_t index) {
    Candidate& candidate = candidates[index];
    const auto raise = static_cast<int64_t>(share(candidate, choice.now));
    candidate.position += raise;
    total += raise;
    if (candidate.position > candidates[best].position) best = index;
  });
  candidates[best].position -= total;
  return best;
}

}  // namespace sluice::route
