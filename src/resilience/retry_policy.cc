#include <sluice/resilience/retry_policy.h>

namespace sluice::resilience {
namespace {

bool is_server_error(uint16_t status) noexcept { return status >= 500 && status <= 599; }

// A connection from the pool that dies without an answer's first byte was closed by the upstream
// before it saw the request (RFC 9112, 9.3.1).
bool is_reuse_race(const AttemptEnd& end) noexcept {
  return end.error->retry == Retry::kIfReused && end.used_pooled_connection &&
         !end.has_received_bytes;
}

}  // namespace

RetryDecision decide_retry(const AttemptEnd& end, const RetryState& state) noexcept {
  if (state.is_committed || !state.is_client_present) return RetryDecision::kStop;
  const bool may_go_on = state.attempts_made < state.attempts_max;
  const RetryDecision next = may_go_on ? RetryDecision::kNextCandidate : RetryDecision::kStop;
  if (!end.error) return is_server_error(end.status) ? next : RetryDecision::kStop;
  if (end.error->side == Side::kDownstream) return RetryDecision::kStop;
  if (is_reuse_race(end)) {
    return state.has_used_fresh_retry ? next : RetryDecision::kFreshConnection;
  }
  return end.error->retry == Retry::kYes ? next : RetryDecision::kStop;
}

}  // namespace sluice::resilience
