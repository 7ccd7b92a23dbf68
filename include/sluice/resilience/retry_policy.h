// Whether a failed attempt is followed by another one, and where.
#pragma once

#include <cstdint>
#include <optional>

#include <sluice/base/error.h>

namespace sluice::resilience {

enum class RetryDecision : uint8_t {
  kStop,             // The client gets this attempt's answer, or its error.
  kNextCandidate,    // Another route; counts as an attempt.
  kFreshConnection,  // The same route over a new connection; does not count as an attempt.
};

// How an attempt ended: with a response head, or with an error before one.
struct AttemptEnd {
  std::optional<Error> error;  // Set exactly when no head came.
  uint16_t status = 0;         // Of the head.
  bool used_pooled_connection = false;
  bool has_received_bytes = false;  // At least one byte of an answer came.
};

// Where the exchange stands.
struct RetryState {
  uint32_t attempts_made = 1;         // With the one that just ended, without fresh connections.
  uint32_t attempts_max = 1;          // Limits::attempts.
  bool has_used_fresh_retry = false;  // At most once per exchange.
  bool is_committed = false;          // The response head was written downstream.
  bool is_client_present = true;
};

// Pure. Otherwise than one may expect: a 429 and other 4xx are the client's to see; a timeout and a
// connection lost after the request went out are not retried, because the upstream may be at work
// on it still and tokens would be paid for twice.
[[nodiscard]] RetryDecision decide_retry(const AttemptEnd& end, const RetryState& state) noexcept;

}  // namespace sluice::resilience
