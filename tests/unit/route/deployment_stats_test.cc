#include <sluice/route/deployment_stats.h>

#include <gtest/gtest.h>

#include "fleet.h"

namespace sluice::route {
namespace {

TEST(DecayingMean, rises_at_once_and_falls_slowly) {
  DecayingMean mean;
  EXPECT_FALSE(mean.is_known());
  EXPECT_EQ(mean.value(), Duration{0});
  mean.note(milliseconds(100), kStart);
  EXPECT_EQ(mean.value(), milliseconds(100));
  mean.note(milliseconds(500), kStart + milliseconds(1));
  EXPECT_EQ(mean.value(), milliseconds(500));
  mean.note(milliseconds(100), kStart + milliseconds(2));
  EXPECT_GT(mean.value(), milliseconds(499));
  mean.note(milliseconds(100), kStart + DecayingMean::kMemory);
  EXPECT_NEAR(static_cast<double>(mean.value().count()), 247e6, 1e6);  // 100 + 400/e ms.
}

// Goal: a hundred samples at one instant move it as little as one.
TEST(DecayingMean, fades_with_time_and_not_with_samples) {
  DecayingMean mean;
  mean.note(milliseconds(500), kStart);
  for (int i = 0; i < 100; ++i) mean.note(milliseconds(1), kStart);
  EXPECT_EQ(mean.value(), milliseconds(500));
}

TEST(DecayingMean, takes_a_sample_of_nothing_and_a_clock_that_stands) {
  DecayingMean mean;
  mean.note(Duration{0}, kStart);
  EXPECT_TRUE(mean.is_known());
  mean.note(milliseconds(5), kStart - seconds(1));
  mean.note(milliseconds(1), kStart - seconds(2));
  EXPECT_EQ(mean.value(), milliseconds(5));
}

TEST(MinuteSum, forgets_after_a_minute) {
  MinuteSum sum;
  EXPECT_EQ(sum.value(kStart), 0u);
  sum.note(5, kStart);
  sum.note(7, kStart + seconds(30));
  EXPECT_EQ(sum.value(kStart + seconds(30)), 12u);
  EXPECT_EQ(sum.value(kStart + seconds(49)), 12u);
  EXPECT_EQ(sum.value(kStart + seconds(61)), 7u);
  sum.note(1, kStart + seconds(61));
  EXPECT_EQ(sum.value(kStart + seconds(61)), 8u);
  EXPECT_EQ(sum.value(kStart + seconds(91)), 1u);
  EXPECT_EQ(sum.value(kStart + seconds(10'000)), 0u);
  sum.note(3, kStart + seconds(10'000));
  EXPECT_EQ(sum.value(kStart + seconds(10'000)), 3u);
}

// In flight is what has begun and not ended, whatever was measured in between.
TEST(DeploymentStats, d115_a_request_is_in_flight_until_its_stream_ends) {
  DeploymentStats stats;
  stats.begin();
  stats.begin();
  stats.first_token.note(milliseconds(3), kStart);  // The head and the first event are here.
  EXPECT_EQ(stats.in_flight(), 2u);
  stats.hear({.in_flight = 5}, kStart);
  EXPECT_EQ(stats.in_flight(), 2u);
  EXPECT_EQ(stats.total_in_flight(), 7u);
  stats.end();
  stats.end();
  EXPECT_EQ(stats.in_flight(), 0u);
  EXPECT_EQ(stats.total_in_flight(), 5u);
}

// A request that ends without an answer has nothing to note, so it changes no choice: failures are
// for resilience to judge, and client mistakes leave no trace here.
TEST(DeploymentStats, d030_a_failed_request_leaves_no_trace) {
  DeploymentStats stats;
  stats.first_token.note(milliseconds(10), kStart);
  stats.begin();
  stats.end();
  EXPECT_EQ(stats.in_flight(), 0u);
  EXPECT_EQ(stats.latency(true, kStart), milliseconds(10));
  EXPECT_EQ(stats.latency(false, kStart), Duration{0});
  EXPECT_EQ(stats.minute_tokens(kStart), 0u);
}

TEST(DeploymentStats, latency_is_that_of_the_kind_of_request) {
  DeploymentStats stats;
  EXPECT_EQ(stats.latency(true, kStart), Duration{0});
  stats.first_token.note(milliseconds(10), kStart);
  EXPECT_EQ(stats.latency(true, kStart), milliseconds(10));
  EXPECT_EQ(stats.latency(false, kStart), Duration{0});
  stats.whole.note(seconds(3), kStart);
  EXPECT_EQ(stats.latency(false, kStart), seconds(3));
}

TEST(DeploymentStats, mixes_in_what_the_others_measured) {
  DeploymentStats stats;
  stats.hear({.first_token = milliseconds(30)}, kStart);
  EXPECT_EQ(stats.latency(true, kStart), milliseconds(30));
  stats.first_token.note(milliseconds(10), kStart);
  EXPECT_EQ(stats.latency(true, kStart), milliseconds(20));
  // The others' mean is old when it has not changed for long, however often it is repeated.
  const MonoTime later = kStart + DecayingMean::kMemory + seconds(1);
  stats.first_token.note(milliseconds(10), later);
  stats.hear({.first_token = milliseconds(30)}, later);
  EXPECT_EQ(stats.latency(true, later), milliseconds(10));
  stats.hear({.first_token = milliseconds(32)}, later);
  EXPECT_EQ(stats.latency(true, later), milliseconds(21));
}

// Goal: what was slow once is looked at again, by one request at a time.
TEST(DeploymentStats, an_old_latency_is_unknown_while_nothing_is_in_flight) {
  DeploymentStats stats;
  stats.first_token.note(seconds(30), kStart);
  const MonoTime later = kStart + DecayingMean::kMemory + seconds(1);
  EXPECT_EQ(stats.latency(true, kStart + DecayingMean::kMemory), seconds(30));
  EXPECT_EQ(stats.latency(true, later), Duration{0});
  stats.begin();
  EXPECT_EQ(stats.latency(true, later), seconds(30));
  stats.first_token.note(seconds(1), later);
  stats.end();
  EXPECT_LT(stats.latency(true, later), seconds(12));
}

TEST(DeploymentStats, counts_tokens_of_all_shards_and_means_of_its_own) {
  DeploymentStats stats;
  EXPECT_EQ(stats.tokens_per_request(), 0u);
  stats.note_tokens(100, kStart);
  stats.note_tokens(300, kStart);
  stats.hear({.minute_tokens = 1000}, kStart);
  EXPECT_EQ(stats.minute_tokens(kStart), 1400u);
  EXPECT_EQ(stats.tokens_per_request(), 200u);
}

}  // namespace
}  // namespace sluice::route
