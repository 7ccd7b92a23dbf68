#include <sluice/resilience/retry_policy.h>

#include <algorithm>
#include <cmath>

#include <sluice/base/assert.h>
#include <sluice/base/product.h>

namespace sluice::resilience {
namespace {

constexpr uint64_t kMillion = 1'000'000;

}  // namespace

RetryDecision decide_retry(const AttemptEnd& end, const Judgement& judgement,
                           const RetryState& state) noexcept {
  if (state.is_committed || !state.is_client_present) return RetryDecision::kStop;
  if (!judgement.may_retry) return RetryDecision::kStop;
  if (is_reuse_race(end) && !state.has_used_fresh_retry) return RetryDecision::kFreshConnection;
  return state.attempts_made < state.attempts_max ? RetryDecision::kNextCandidate
                                                  : RetryDecision::kStop;
}

Duration backoff_before(uint32_t retry, const config::RetrySettings& settings,
                        uint64_t random) noexcept {
  Duration most = std::min(settings.backoff, settings.backoff_max);
  for (uint32_t i = 1; i < retry && most < settings.backoff_max; ++i) {
    most = most > settings.backoff_max / 2 ? settings.backoff_max : 2 * most;
    if (most == Duration::zero()) break;
  }
  if (most <= Duration::zero()) return Duration::zero();
  // The upper half of a product of 128 bits spreads 64 random bits evenly over the range.
  return Duration(
      static_cast<int64_t>(multiply(static_cast<uint64_t>(most.count()) + 1, random).high));
}

void RetryBudget::set_settings(const config::RetrySettings& settings, uint32_t shards) noexcept {
  SLUICE_ASSERT(shards > 0);
  share_millionth_ = static_cast<uint64_t>(std::llround(settings.budget * kMillion));
  minimum_ = settings.budget_min == 0 ? 0 : std::max(settings.budget_min / shards, 1u);
}

void RetryBudget::note_request(MonoTime now) noexcept { recent_.add_whole(now); }

bool RetryBudget::try_take(MonoTime now) noexcept {
  const RecentShare::Counts& counts = recent_.counts(now);
  const uint64_t allowed = counts.whole * share_millionth_ / kMillion + minimum_;
  if (counts.part >= allowed) return false;
  recent_.add_part(now);
  return true;
}

}  // namespace sluice::resilience
