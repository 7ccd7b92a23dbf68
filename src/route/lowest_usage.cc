#include <algorithm>

#include <sluice/route/strategies.h>

namespace sluice::route {

uint32_t choose_lowest_usage(std::span<const Candidate> candidates, const RouteSet& usable,
                             const Choice& choice) noexcept {
  // One for all: a deployment that has not answered yet costs as much as the others do.
  uint64_t per_request = 1;
  OthersEcho echo;
  usable.for_each([&](uint32_t index) {
    echo.add(*candidates[index].stats);
    per_request = std::max(per_request, candidates[index].stats->tokens_per_request());
  });
  const RouteSet lowest = find_lowest(candidates, usable, [&](const Candidate& candidate) {
    const double expected =
        static_cast<double>(candidate.stats->minute_tokens(choice.now)) +
        (echo.in_flight(*candidate.stats) + 1) * static_cast<double>(per_request);
    return expected / static_cast<double>(share(candidate, choice.now));
  });
  return choose_random(candidates, lowest, choice);
}

}  // namespace sluice::route
