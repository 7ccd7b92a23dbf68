// The seam for ways to choose among candidates.
#pragma once

#include <cstdint>
#include <span>

namespace sluice::route {

// Routes of one model; config refuses more. A bit for each fits one word.
inline constexpr uint32_t kRoutesMax = 64;

// What a strategy knows of one route of a model. Owned by the router of one shard.
struct Candidate {
  int64_t weight = 1;    // 1 or more.
  int64_t position = 0;  // The strategy's own state.
};

// Chooses one candidate. Stateless itself: what it remembers is in the candidates.
class Strategy {
 public:
  virtual ~Strategy() = default;
  // Bit i of `eligible` allows candidates[i]; at least one bit is set, none beyond the span.
  [[nodiscard]] virtual uint32_t choose(std::span<Candidate> candidates,
                                        uint64_t eligible) const noexcept = 0;
};

}  // namespace sluice::route
