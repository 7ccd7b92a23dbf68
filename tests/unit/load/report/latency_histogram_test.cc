#include "report/latency_histogram.h"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

TEST(LatencyHistogram, is_zero_when_empty) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.quantile(0.99), Duration::zero());
  EXPECT_EQ(histogram.mean(), Duration::zero());
}

TEST(LatencyHistogram, small_values_are_exact) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.record(Duration(i));
  EXPECT_EQ(histogram.quantile(0), Duration(1));
  EXPECT_EQ(histogram.quantile(0.5), Duration(50));
  EXPECT_EQ(histogram.quantile(0.99), Duration(99));
  EXPECT_EQ(histogram.quantile(1), Duration(100));
  EXPECT_EQ(histogram.max(), Duration(100));
  EXPECT_EQ(histogram.mean(), Duration(50));
}

TEST(LatencyHistogram, every_size_is_kept_within_one_percent) {
  for (int64_t ns = 1; ns > 0 && ns < int64_t{1} << 61; ns = ns * 3 + 1) {
    LatencyHistogram histogram;
    histogram.record(Duration(ns));
    histogram.record(Duration(ns * 2));
    const auto median = static_cast<double>(histogram.quantile(0.5).count());
    EXPECT_NEAR(median / static_cast<double>(ns), 1.0, 0.01) << ns;
    EXPECT_EQ(histogram.max(), Duration(ns * 2));
  }
}

TEST(LatencyHistogram, quantiles_never_exceed_the_greatest_value) {
  LatencyHistogram histogram;
  histogram.record(Duration(1'000'001));
  EXPECT_LE(histogram.quantile(0.5), histogram.max());
  EXPECT_LE(histogram.quantile(1), histogram.max());
}

TEST(LatencyHistogram, negative_and_largest_values_are_counted) {
  LatencyHistogram histogram;
  histogram.record(Duration(-5));
  histogram.record(Duration::max());
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.quantile(0.5), Duration::zero());
  EXPECT_EQ(histogram.max(), Duration::max());
}

TEST(LatencyHistogram, counts_what_lies_between) {
  LatencyHistogram histogram;
  histogram.record(milliseconds(20));
  histogram.record(milliseconds(40));
  histogram.record(milliseconds(41));
  histogram.record(milliseconds(60));
  EXPECT_EQ(histogram.count_between(milliseconds(38), milliseconds(46)), 2u);
  EXPECT_EQ(histogram.count_between(milliseconds(0), milliseconds(100)), 4u);
}

}  // namespace
}  // namespace sluice::load
