#include <sluice/metrics/histogram.h>

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::metrics {
namespace {

TEST(Histogram, bounds_are_inclusive_to_the_nanosecond) {
  for (size_t i = 0; i < kFirstTokenBounds.size(); ++i) {
    FirstTokenHistogram histogram;
    histogram.record(microseconds(kFirstTokenBounds[i]));
    EXPECT_EQ(histogram.bucket(i), 1u) << i;
    histogram.record(microseconds(kFirstTokenBounds[i]) + Duration(1));
    EXPECT_EQ(histogram.bucket(i + 1), 1u) << i;
  }
}

TEST(Histogram, takes_any_duration) {
  RequestHistogram histogram;
  histogram.record(Duration(-5));
  histogram.record(Duration(0));
  histogram.record(Duration::max());
  EXPECT_EQ(histogram.bucket(0), 2u);
  EXPECT_EQ(histogram.bucket(RequestHistogram::kBuckets - 1), 1u);
}

TEST(Histogram, sums_without_rounding) {
  ShortHistogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.record(Duration(1));
  EXPECT_EQ(histogram.sum_ns(), 1000u);
}

TEST(Histogram, bounds_rise) {
  EXPECT_TRUE(std::is_sorted(kRequestBounds.begin(), kRequestBounds.end()));
  EXPECT_TRUE(std::is_sorted(kFirstTokenBounds.begin(), kFirstTokenBounds.end()));
  EXPECT_TRUE(std::is_sorted(kShortBounds.begin(), kShortBounds.end()));
}

}  // namespace
}  // namespace sluice::metrics
