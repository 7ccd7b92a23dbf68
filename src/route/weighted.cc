#include <sluice/route/weighted.h>

#include <bit>

namespace sluice::route {

uint32_t WeightedStrategy::choose(std::span<Candidate> candidates,
                                  uint64_t eligible) const noexcept {
  int64_t total = 0;
  uint32_t best = static_cast<uint32_t>(std::countr_zero(eligible));
  // A lone candidate would be raised and lowered by the same amount.
  if ((eligible & (eligible - 1)) == 0) return best;
  for (uint64_t rest = eligible; rest != 0; rest &= rest - 1) {
    const auto index = static_cast<uint32_t>(std::countr_zero(rest));
    Candidate& candidate = candidates[index];
    candidate.position += candidate.weight;
    total += candidate.weight;
    if (candidate.position > candidates[best].position) best = index;
  }
  candidates[best].position -= total;
  return best;
}

}  // namespace sluice::route
