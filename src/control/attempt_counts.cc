#include <sluice/control/attempt_counts.h>

namespace sluice::control {

AttemptCounts count_attempts(const metrics::UpstreamCells& cells) noexcept {
  using metrics::AttemptOutcome;
  AttemptCounts counts;
  for (size_t i = 0; i < metrics::kAttemptOutcomeNames.size(); ++i) {
    const auto outcome = static_cast<AttemptOutcome>(i);
    if (outcome == AttemptOutcome::kCancelled) continue;
    const uint64_t count = cells.attempts.at(i).value();
    counts.all += count;
    if (outcome == AttemptOutcome::kOk) {
      counts.successes += count;
    } else if (outcome != AttemptOutcome::kClientError) {
      counts.failures += count;
    }
  }
  return counts;
}

AttemptCounts count_attempts(const metrics::NamedCells<metrics::UpstreamCells>& cells) noexcept {
  AttemptCounts sum;
  for (const auto& shard : cells.by_shard) {
    const AttemptCounts counts = count_attempts(*shard);
    sum.all += counts.all;
    sum.successes += counts.successes;
    sum.failures += counts.failures;
  }
  return sum;
}

}  // namespace sluice::control
