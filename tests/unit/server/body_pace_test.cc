#include "body_pace.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

constexpr MonoTime kBegan{seconds(100)};

TEST(BodyPace, nothing_needs_to_come_within_the_grace) {
  EXPECT_EQ(BodyPace(kBegan, 1000).due(0).at, kBegan + BodyPace::kGrace);
}

TEST(BodyPace, what_has_come_buys_time) {
  const BodyPace pace(kBegan, 1000);
  EXPECT_EQ(pace.due(1000).at, kBegan + BodyPace::kGrace + seconds(1));
  EXPECT_EQ(pace.due(1500).at, kBegan + BodyPace::kGrace + milliseconds(1500));
  EXPECT_EQ(pace.due(4'000'000'000).at, kBegan + BodyPace::kGrace + seconds(4'000'000));
}

TEST(BodyPace, a_rate_of_zero_asks_for_nothing_and_no_product_overflows) {
  EXPECT_TRUE(BodyPace(kBegan, 0).due(5).is_never());
  EXPECT_TRUE(BodyPace(kBegan, 1).due(UINT64_MAX).is_never());
  EXPECT_EQ(BodyPace(kBegan, UINT32_MAX).due(UINT32_MAX).at,
            kBegan + BodyPace::kGrace + seconds(1));
}

}  // namespace
}  // namespace sluice::server
