#include <algorithm>

#include <sluice/route/strategies.h>

namespace sluice::route {

uint32_t choose_lowest_usage(std::span<const Candidate> candidates, const RouteSet& usable,
                             const Choice& choice) noexcept {
  // One for all: a deployment that has not answered yet costs as much as the others do.
  uint64_t per_request = 1;
  usable.for_each([&](uint32_t index) {
    per_request = std::max(per_request, candidates[index].stats->tokens_per_request(choice.now));
  });
  const RouteSet lowest = find_lowest(candidates, usable, [&](const Candidate& candidate) {
    const uint64_t expected = candidate.stats->minute_tokens(choice.now) +
                              (candidate.stats->total_in_flight() + uint64_t{1}) * per_request;
    return static_cast<double>(expected) / static_cast<double>(share(candidate, choice.now));
  });
  return choose_random(candidates, lowest, choice);
}

}  // namespace sluice::route
