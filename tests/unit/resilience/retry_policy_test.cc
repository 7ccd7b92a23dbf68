#include <sluice/resilience/retry_policy.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "attempts.h"

namespace sluice::resilience {
namespace {

constexpr auto kStop = RetryDecision::kStop;
constexpr auto kNext = RetryDecision::kNextCandidate;
constexpr auto kFresh = RetryDecision::kFreshConnection;

const config::CooldownSettings kCooldown;

AttemptEnd lost(bool pooled, bool bytes) {
  AttemptEnd end = failed(ErrorCode::kUpstreamLost);
  end.used_pooled_connection = pooled;
  end.has_received_bytes = bytes;
  return end;
}

constexpr RetryState kFirst{.attempts_made = 1, .attempts_max = 3};
constexpr RetryState kLast{.attempts_made = 3, .attempts_max = 3};
constexpr RetryState kFreshUsed{
    .attempts_made = 1, .attempts_max = 3, .has_used_fresh_retry = true};
constexpr RetryState kFreshUsedLast{
    .attempts_made = 3, .attempts_max = 3, .has_used_fresh_retry = true};

struct Row {
  const char* name;
  AttemptEnd end;
  RetryState state;
  RetryDecision decision;
};

const Row kRows[] = {
    {"success", answered(200), kFirst, kStop},
    {"redirect", answered(302), kFirst, kStop},
    {"bad request", answered(400), kFirst, kStop},
    {"upstream credential refused", answered(401), kFirst, kNext},
    {"rate limited", answered(429), kFirst, kNext},
    {"499", answered(499), kFirst, kStop},
    {"500", answered(500), kFirst, kNext},
    {"501", answered(501), kFirst, kStop},
    {"503", answered(503), kFirst, kNext},
    {"5xx of the last attempt", answered(503), kLast, kStop},
    {"no connection", failed(ErrorCode::kUpstreamConnect), kFirst, kNext},
    {"no connection at last", failed(ErrorCode::kUpstreamConnect), kLast, kStop},
    {"no connection after a fresh one", failed(ErrorCode::kUpstreamConnect), kFreshUsed, kNext},
    {"pooled connection dies", lost(true, false), kFirst, kFresh},
    {"pooled connection dies on the last attempt", lost(true, false), kLast, kFresh},
    {"pooled connection dies again", lost(true, false), kFreshUsed, kNext},
    {"pooled connection dies again at last", lost(true, false), kFreshUsedLast, kStop},
    {"pooled connection dies within the head", lost(true, true), kFirst, kNext},
    {"new connection dies", lost(false, false), kFirst, kNext},
    {"no head in time", failed(ErrorCode::kUpstreamTimeout), kFirst, kNext},
    {"no first token in time", failed(ErrorCode::kFirstTokenTimeout), kFirst, kNext},
    {"no time left", failed(ErrorCode::kTotalTimeout), kFirst, kStop},
    {"not HTTP", failed(ErrorCode::kUpstreamProtocol), kFirst, kNext},
    {"our descriptors are spent", failed(ErrorCode::kLimit, Side::kSelf), kFirst, kStop},
    {"the client left", failed(ErrorCode::kDownstreamLost, Side::kDownstream), kFirst, kStop},
};

RetryDecision decide(const AttemptEnd& end, const RetryState& state) {
  return decide_retry(end, judge(end, kCooldown), state);
}

TEST(DecideRetry, follows_the_table) {
  for (const Row& row : kRows) EXPECT_EQ(decide(row.end, row.state), row.decision) << row.name;
}

TEST(DecideRetry, d023_d114_never_after_the_commit_point_nor_without_a_client) {
  for (const Row& row : kRows) {
    RetryState committed = row.state;
    committed.is_committed = true;
    EXPECT_EQ(decide(row.end, committed), kStop) << row.name;
    RetryState alone = row.state;
    alone.is_client_present = false;
    EXPECT_EQ(decide(row.end, alone), kStop) << row.name;
  }
}

TEST(DecideRetry, d024_calls_are_bounded_for_every_sequence_of_failures) {
  const AttemptEnd ends[] = {answered(500), failed(ErrorCode::kUpstreamConnect), lost(true, false),
                             lost(false, false)};
  for (uint32_t sequence = 0; sequence < 4 * 4 * 4 * 4 * 4 * 4; ++sequence) {
    RetryState state{.attempts_made = 1, .attempts_max = 3};
    uint32_t calls = 1;
    for (uint32_t rest = sequence;; rest /= 4, ++calls) {
      ASSERT_LE(calls, state.attempts_max + 1);
      const RetryDecision decision = decide(ends[rest % 4], state);
      if (decision == kStop) break;
      if (decision == kNext) ++state.attempts_made;
      if (decision == kFresh) state.has_used_fresh_retry = true;
    }
  }
}

TEST(BackoffBefore, doubles_up_to_its_most) {
  const config::RetrySettings settings{.backoff = milliseconds(25), .backoff_max = seconds(2)};
  const uint64_t most = ~uint64_t{0};
  EXPECT_EQ(backoff_before(1, settings, most), milliseconds(25));
  EXPECT_EQ(backoff_before(2, settings, most), milliseconds(50));
  EXPECT_EQ(backoff_before(7, settings, most), milliseconds(1600));
  EXPECT_EQ(backoff_before(8, settings, most), seconds(2));
  EXPECT_EQ(backoff_before(4'000'000'000u, settings, most), seconds(2));
  EXPECT_EQ(backoff_before(8, settings, 0), seconds(0));
}

TEST(BackoffBefore, extremes_of_the_settings) {
  const uint64_t most = ~uint64_t{0};
  EXPECT_EQ(backoff_before(9, {.backoff = seconds(0), .backoff_max = seconds(2)}, most),
            seconds(0));
  EXPECT_EQ(backoff_before(9, {.backoff = seconds(3), .backoff_max = seconds(2)}, most),
            seconds(2));
  EXPECT_EQ(backoff_before(99, {.backoff = seconds(1), .backoff_max = Duration::max()}, most),
            Duration::max());
}

TEST(BackoffBefore, d023_jitter_is_full_and_even) {
  const config::RetrySettings settings;
  constexpr uint64_t kSeed = 7;
  std::mt19937_64 random(kSeed);
  constexpr int kDraws = 100'000;
  int tenths[10] = {};
  for (int i = 0; i < kDraws; ++i) {
    const Duration delay = backoff_before(3, settings, random());
    ASSERT_LE(delay, milliseconds(100));
    ++tenths[std::min<int64_t>(delay / milliseconds(10), 9)];
  }
  for (const int count : tenths) EXPECT_NEAR(count, kDraws / 10, 500) << "seed " << kSeed;
}

TEST(RetryBudget, gives_a_share_of_recent_requests_and_the_minimum) {
  RetryBudget budget;
  budget.set_settings({.budget = 0.29, .budget_min = 2}, 1);
  for (int i = 0; i < 100; ++i) budget.note_request(at(seconds(0)));
  int granted = 0;
  while (budget.try_take(at(seconds(1)))) ++granted;
  EXPECT_EQ(granted, 31);
  EXPECT_FALSE(budget.try_take(at(seconds(9))));
  granted = 0;
  while (budget.try_take(at(seconds(20)))) ++granted;
  EXPECT_EQ(granted, 2) << "the requests are forgotten";
}

TEST(RetryBudget, the_minimum_is_split_over_the_shards) {
  const auto minimum = [](uint32_t budget_min, uint32_t shards) {
    RetryBudget budget;
    budget.set_settings({.budget = 0, .budget_min = budget_min}, shards);
    uint32_t granted = 0;
    while (budget.try_take(at(seconds(0)))) ++granted;
    return granted;
  };
  EXPECT_EQ(minimum(10, 1), 10u);
  EXPECT_EQ(minimum(10, 4), 2u);
  EXPECT_EQ(minimum(10, 16), 1u) << "a shard is never left without";
  EXPECT_EQ(minimum(0, 4), 0u);
}

TEST(RetryBudget, settings_change_without_forgetting) {
  RetryBudget budget;
  budget.set_settings({.budget = 0.5, .budget_min = 0}, 1);
  for (int i = 0; i < 10; ++i) budget.note_request(at(seconds(0)));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(budget.try_take(at(seconds(0))));
  budget.set_settings({.budget = 0.6, .budget_min = 0}, 1);
  EXPECT_TRUE(budget.try_take(at(seconds(0))));
  EXPECT_FALSE(budget.try_take(at(seconds(0))));
}

struct Storm {
  uint64_t requests = 0;
  uint64_t calls = 0;
  uint64_t windows = 0;
  uint32_t calls_of_one_most = 0;
};

// All deployments are dead: each request makes as many calls as it may. Requests come in bursts and
// lulls on several shards.
Storm run_storm(const config::RetrySettings& settings, uint32_t shards, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<RetryBudget> budgets(shards);
  for (RetryBudget& budget : budgets) budget.set_settings(settings, shards);
  Storm storm;
  MonoTime now = at(seconds(0));
  const MonoTime end = at(seconds(100));
  const AttemptEnd dead = failed(ErrorCode::kUpstreamConnect);
  while (now < end) {
    now += random() % 50 == 0 ? milliseconds(random() % 15'000) : microseconds(random() % 20'000);
    RetryBudget& budget = budgets[random() % shards];
    budget.note_request(now);
    ++storm.requests;
    RetryState state{.attempts_made = 0, .attempts_max = 4};
    do {
      ++storm.calls;
      ++state.attempts_made;
    } while (decide(dead, state) == kNext && budget.try_take(now));
    storm.calls_of_one_most = std::max(storm.calls_of_one_most, state.attempts_made);
  }
  storm.windows = static_cast<uint64_t>((now - at(seconds(0))) / RetryBudget::kWindow) + 1;
  return storm;
}

TEST(RetryBudget, d024_calls_are_bounded_under_total_outage) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const uint32_t shards = 1 + seed % 5;
    const config::RetrySettings settings{.budget = 0.2, .budget_min = 10};
    const Storm storm = run_storm(settings, shards, seed);
    const uint64_t minimum = std::max<uint64_t>(settings.budget_min / shards, 1) * shards;
    EXPECT_LE(storm.calls * 10, 12 * storm.requests + 10 * minimum * storm.windows)
        << "seed " << seed;
    EXPECT_LE(storm.calls_of_one_most, 4u) << "seed " << seed;
    EXPECT_GT(storm.calls * 10, 11 * storm.requests) << "the budget is used; seed " << seed;
  }
}

TEST(RetryBudget, d024_without_a_minimum_the_share_is_never_passed) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const Storm storm = run_storm({.budget = 0.2, .budget_min = 0}, 1 + seed % 4, seed);
    EXPECT_LE(storm.calls * 10, 12 * storm.requests) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sluice::resilience
