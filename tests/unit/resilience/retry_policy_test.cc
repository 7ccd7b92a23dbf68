#include <sluice/resilience/retry_policy.h>

#include <gtest/gtest.h>

namespace sluice::resilience {
namespace {

constexpr Error error(ErrorCode code, Side side, Retry retry) { return {code, side, retry, ""}; }

constexpr Error kConnect = error(ErrorCode::kUpstreamConnect, Side::kUpstream, Retry::kYes);
constexpr Error kLost = error(ErrorCode::kUpstreamLost, Side::kUpstream, Retry::kIfReused);
constexpr Error kTimeout = error(ErrorCode::kUpstreamTimeout, Side::kUpstream, Retry::kNever);
constexpr Error kProtocol = error(ErrorCode::kUpstreamProtocol, Side::kUpstream, Retry::kNever);
constexpr Error kFds = error(ErrorCode::kLimit, Side::kSelf, Retry::kNever);
constexpr Error kGone = error(ErrorCode::kDownstreamLost, Side::kDownstream, Retry::kYes);

constexpr RetryState kFirst{.attempts_made = 1, .attempts_max = 3};
constexpr RetryState kLast{.attempts_made = 3, .attempts_max = 3};
constexpr RetryState kFreshUsed{
    .attempts_made = 1, .attempts_max = 3, .has_used_fresh_retry = true};
constexpr RetryState kFreshUsedLast{
    .attempts_made = 3, .attempts_max = 3, .has_used_fresh_retry = true};

constexpr AttemptEnd answered(uint16_t status) {
  return {.status = status, .has_received_bytes = true};
}
constexpr AttemptEnd failed(Error error, bool pooled = false, bool bytes = false) {
  return {.error = error, .used_pooled_connection = pooled, .has_received_bytes = bytes};
}

struct Row {
  const char* name;
  AttemptEnd end;
  RetryState state;
  RetryDecision decision;
};

constexpr auto kStop = RetryDecision::kStop;
constexpr auto kNext = RetryDecision::kNextCandidate;
constexpr auto kFresh = RetryDecision::kFreshConnection;

constexpr Row kRows[] = {
    {"success", answered(200), kFirst, kStop},
    {"redirect", answered(302), kFirst, kStop},
    {"bad request", answered(400), kFirst, kStop},
    {"upstream credential refused", answered(401), kFirst, kStop},
    {"rate limited", answered(429), kFirst, kStop},
    {"499", answered(499), kFirst, kStop},
    {"500", answered(500), kFirst, kNext},
    {"503", answered(503), kFirst, kNext},
    {"599", answered(599), kFirst, kNext},
    {"600 is no status", answered(600), kFirst, kStop},
    {"5xx of the last attempt", answered(503), kLast, kStop},
    {"no connection", failed(kConnect), kFirst, kNext},
    {"no connection at last", failed(kConnect), kLast, kStop},
    {"no connection after a fresh retry", failed(kConnect), kFreshUsed, kNext},
    {"pooled connection dies", failed(kLost, true), kFirst, kFresh},
    {"pooled connection dies on the last attempt", failed(kLost, true), kLast, kFresh},
    {"pooled connection dies again", failed(kLost, true), kFreshUsed, kNext},
    {"pooled connection dies again at last", failed(kLost, true), kFreshUsedLast, kStop},
    {"pooled connection dies within the head", failed(kLost, true, true), kFirst, kStop},
    {"new connection dies", failed(kLost, false), kFirst, kStop},
    {"no head in time", failed(kTimeout, true), kFirst, kStop},
    {"not HTTP", failed(kProtocol, true, true), kFirst, kStop},
    {"our descriptors are spent", failed(kFds), kFirst, kStop},
    {"downstream error whatever its mark", failed(kGone), kFirst, kStop},
};

TEST(DecideRetry, follows_the_table) {
  for (const Row& row : kRows) {
    EXPECT_EQ(decide_retry(row.end, row.state), row.decision) << row.name;
  }
}

TEST(DecideRetry, never_after_the_commit_point_nor_without_a_client) {
  for (const Row& row : kRows) {
    RetryState committed = row.state;
    committed.is_committed = true;
    EXPECT_EQ(decide_retry(row.end, committed), kStop) << row.name;
    RetryState alone = row.state;
    alone.is_client_present = false;
    EXPECT_EQ(decide_retry(row.end, alone), kStop) << row.name;
  }
}

// Goal: whatever fails and in whatever order, an exchange ends after a bounded number of attempts.
TEST(DecideRetry, attempts_are_bounded_for_every_sequence_of_failures) {
  const AttemptEnd ends[] = {answered(500), failed(kConnect), failed(kLost, true), failed(kLost)};
  for (uint32_t sequence = 0; sequence < 4 * 4 * 4 * 4 * 4 * 4; ++sequence) {
    RetryState state{.attempts_made = 1, .attempts_max = 3};
    uint32_t tries = 1;
    for (uint32_t rest = sequence;; rest /= 4, ++tries) {
      ASSERT_LE(tries, state.attempts_max + 1);
      const RetryDecision decision = decide_retry(ends[rest % 4], state);
      if (decision == kStop) break;
      if (decision == kNext) ++state.attempts_made;
      if (decision == kFresh) state.has_used_fresh_retry = true;
    }
  }
}

}  // namespace
}  // namespace sluice::resilience
