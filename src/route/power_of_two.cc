#include <sluice/route/strategies.h>

namespace sluice::route {
namespace {

double in_flight_for_share(const Candidate& candidate, const OthersEcho& echo,
                           MonoTime now) noexcept {
  return (echo.in_flight(*candidate.stats) + 1) / static_cast<double>(share(candidate, now));
}

}  // namespace

uint32_t choose_power_of_two(std::span<const Candidate> candidates, const RouteSet& usable,
                             const Choice& choice) noexcept {
  const uint32_t count = usable.count();
  if (count == 1) return usable.first();
  const auto first_drawn = static_cast<uint32_t>(scale_random(choice.random, count));
  auto second_drawn = static_cast<uint32_t>(scale_random(choice.random << 32, count - 1));
  if (second_drawn >= first_drawn) ++second_drawn;
  const uint32_t first = usable.nth(first_drawn);
  const uint32_t second = usable.nth(second_drawn);
  OthersEcho echo;
  echo.add(*candidates[first].stats);
  echo.add(*candidates[second].stats);
  double first_load = in_flight_for_share(candidates[first], echo, choice.now);
  double second_load = in_flight_for_share(candidates[second], echo, choice.now);
  const Duration first_latency = candidates[first].stats->latency(choice.is_stream, choice.now);
  const Duration second_latency = candidates[second].stats->latency(choice.is_stream, choice.now);
  if (first_latency > Duration{0} && second_latency > Duration{0}) {
    first_load *= static_cast<double>(first_latency.count());
    second_load *= static_cast<double>(second_latency.count());
  }
  return first_load <= second_load ? first : second;
}

}  // namespace sluice::route
