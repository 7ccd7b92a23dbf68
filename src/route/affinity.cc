#include <cmath>

#include <sluice/base/product.h>
#include <sluice/route/strategies.h>

namespace sluice::route {
namespace {

uint64_t mix(uint64_t left, uint64_t right) noexcept {
  const Product product = multiply(left ^ 0x9e3779b97f4a7c15, right ^ 0xd6e8feb86659fd93);
  return product.low ^ product.high;
}

// The candidate with the least of these wins a key with a chance that is its part of all shares:
// an exponential variable, drawn by the hash, of the rate `share`.
double rate(uint64_t key, const Candidate& candidate, uint64_t own_share) noexcept {
  const uint64_t hash = mix(mix(key, candidate.name_hash), candidate.name_hash);
  const double uniform = (static_cast<double>(hash >> 11) + 0.5) * 0x1p-53;
  return -std::log(uniform) / static_cast<double>(own_share);
}

}  // namespace

uint32_t choose_by_affinity(std::span<const Candidate> candidates, const RouteSet& usable,
                            const Choice& choice, double load_factor) noexcept {
  if (choice.affinity_key == 0) return choose_power_of_two(candidates, usable, choice);
  uint64_t in_flight = 1;  // The request that is being placed.
  uint64_t shares = 0;
  usable.for_each([&](uint32_t index) {
    in_flight += candidates[index].stats->total_in_flight();
    shares += share(candidates[index], choice.now);
  });
  const double load_max = load_factor * static_cast<double>(in_flight);
  // The bounds sum to more than there is in flight, so that one has room.
  uint32_t best = usable.first();
  double best_rate = HUGE_VAL;
  usable.for_each([&](uint32_t index) {
    const Candidate& candidate = candidates[index];
    const uint64_t own_share = share(candidate, choice.now);
    const double bound =
        std::ceil(load_max * static_cast<double>(own_share) / static_cast<double>(shares));
    if (static_cast<double>(candidate.stats->total_in_flight()) + 1 > bound) return;
    const double own_rate = rate(choice.affinity_key, candidate, own_share);
    if (own_rate >= best_rate) return;
    best = index;
    best_rate = own_rate;
  });
  return best;
}

}  // namespace sluice::route
