#include "drive/departures.h"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

TEST(Departures, are_read_from_the_servers_figures) {
  uint64_t aborted = 0;
  const auto seen = read_departures(
      R"({"requests":9,"aborted":3,"aborts":[{"gone_ns":10,"x":1},{"gone_ns":30}]})", aborted);
  EXPECT_EQ(aborted, 3u);
  EXPECT_EQ(seen, (std::vector<int64_t>{10, 30}));
  uint64_t none = 77;
  EXPECT_TRUE(read_departures("<html>", none).empty());
  EXPECT_EQ(none, 77u);
}

TEST(Departures, pairs_are_made_in_order_of_time) {
  LatencyHistogram detection;
  EXPECT_TRUE(pair_departures({300, 100}, {110, 330}, detection));
  EXPECT_EQ(detection.count(), 2u);
  EXPECT_EQ(detection.max(), Duration(30));
  EXPECT_EQ(detection.mean(), Duration(20));
  EXPECT_FALSE(pair_departures({1}, {}, detection));
}

}  // namespace
}  // namespace sluice::load
