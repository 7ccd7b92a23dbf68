// How attempts came out, as far as a deployment is to be judged by them.
#pragma once

#include <cstdint>

#include <sluice/metrics/registry.h>

namespace sluice::control {

struct AttemptCounts {
  uint64_t all = 0;  // But those that were cancelled.
  uint64_t successes = 0;
  uint64_t failures = 0;  // By the deployment's own fault; a client's mistake is none.
};

// Since the start; of one shard, and of all.
[[nodiscard]] AttemptCounts count_attempts(const metrics::UpstreamCells& cells) noexcept;
[[nodiscard]] AttemptCounts count_attempts(
    const metrics::NamedCells<metrics::UpstreamCells>& cells) noexcept;

}  // namespace sluice::control
