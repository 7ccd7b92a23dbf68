#include <sluice/route/strategies.h>

namespace sluice::route {

uint32_t choose_random(std::span<const Candidate> candidates, const RouteSet& usable,
                       const Choice& choice) noexcept {
  uint64_t total = 0;
  usable.for_each([&](uint32_t index) { total += share(candidates[index], choice.now); });
  uint64_t left = scale_random(choice.random, total);
  uint32_t chosen = usable.first();
  bool is_found = false;
  usable.for_each([&](uint32_t index) {
    if (is_found) return;
    const uint64_t own = share(candidates[index], choice.now);
    if (left < own) {
      chosen = index;
      is_found = true;
    } else {
      left -= own;
    }
  });
  return chosen;
}

}  // namespace sluice::route
