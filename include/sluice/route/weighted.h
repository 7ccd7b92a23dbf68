// Weighted round robin, as evenly spread as the weights allow.
#pragma once

#include <sluice/route/strategy.h>

namespace sluice::route {

// Every choice raises each eligible position by its weight, takes the highest and lowers that one
// by the sum of the weights. Positions sum to zero and return to where they were after one
// cycle (the sum of the weights, in choices), so ratios are exact and nothing ever wraps.
class WeightedStrategy final : public Strategy {
 public:
  [[nodiscard]] uint32_t choose(std::span<Candidate> candidates,
                                uint64_t eligible) const noexcept override;
};

}  // namespace sluice::route
