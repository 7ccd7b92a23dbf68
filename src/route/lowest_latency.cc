#include <algorithm>
#include <array>
#include <limits>

#include <sluice/route/strategies.h>

namespace sluice::route {

uint32_t choose_lowest_latency(std::span<const Candidate> candidates, const RouteSet& usable,
                               const Choice& choice) noexcept {
  int64_t lowest = std::numeric_limits<int64_t>::max();
  std::array<int64_t, RouteSet::kRoutesMax> latencies;  // In nanoseconds; of `usable` only.
  usable.for_each([&](uint32_t index) {
    const Duration latency = candidates[index].stats->latency(choice.is_stream, choice.now);
    latencies[index] = latency.count();
    if (latency > Duration{0}) lowest = std::min(lowest, latency.count());
  });
  RouteSet near;
  usable.for_each([&](uint32_t index) {
    const int64_t latency = latencies[index];
    const bool is_unseen = latency == 0 && candidates[index].stats->in_flight() == 0;
    if (is_unseen || (latency > 0 && latency - lowest <= lowest / 10)) near.add(index);
  });
  // Empty when nothing is known yet and all have been asked.
  return choose_random(candidates, near.empty() ? usable : near, choice);
}

}  // namespace sluice::route
