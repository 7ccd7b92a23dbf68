// Whether a failed attempt is followed by another one, where, when, and how many there may be.
#pragma once

#include <cstdint>

#include <sluice/base/clock.h>
#include <sluice/config/routing.h>
#include <sluice/resilience/judge.h>
#include <sluice/resilience/recent_share.h>

namespace sluice::resilience {

enum class RetryDecision : uint8_t {
  kStop,             // The client gets this attempt's answer, or its error.
  kNextCandidate,    // Another route; counts as an attempt.
  kFreshConnection,  // The same route over a new connection; does not count as an attempt.
};

// Where the exchange stands.
struct RetryState {
  uint32_t attempts_made = 0;         // With the one that just ended, without fresh connections.
  uint32_t attempts_max = 3;          // Limits::attempts.
  bool has_used_fresh_retry = false;  // At most once per exchange.
  bool is_committed = false;          // The response head was written downstream.
  bool is_client_present = true;
};

// Pure. The caller asks the RetryBudget before it follows kNextCandidate.
[[nodiscard]] RetryDecision decide_retry(const AttemptEnd& end, const Judgement& judgement,
                                         const RetryState& state) noexcept;

// How long to wait before retry number `retry` (1 is the first): anything from zero to
// backoff * 2^(retry-1), at most backoff_max, each as likely. `random` is uniform over 64 bits.
[[nodiscard]] Duration backoff_before(uint32_t retry, const config::RetrySettings& settings,
                                      uint64_t random) noexcept;

// Bounds the retries of one model on one shard by a share of its recent requests.
//
// What was granted is forgotten no earlier than the requests that paid for it, so that over any
// time retries <= budget * requests, and the minimum once more for each 10 s begun. The minimum of
// the process is split evenly over the shards, rounded down, but each has at least one: the
// process's minimum is max(budget_min, shards).
//
// Owned by one shard.
class RetryBudget {
 public:
  static constexpr Duration kWindow = seconds(10);

  RetryBudget() noexcept { recent_.set_window(kWindow); }

  // Keeps what was counted. `shards` is 1 or more.
  void set_settings(const config::RetrySettings& settings, uint32_t shards) noexcept;

  void note_request(MonoTime now) noexcept;
  // False when the budget is spent; nothing is taken then. Nothing is given back.
  [[nodiscard]] bool try_take(MonoTime now) noexcept;

 private:
  RecentShare recent_;            // Of requests, those granted.
  uint64_t share_millionth_ = 0;  // Integers, so that 29 % of 100 are 29.
  uint32_t minimum_ = 0;
};

}  // namespace sluice::resilience
