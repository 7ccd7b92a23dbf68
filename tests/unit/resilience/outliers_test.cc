#include <sluice/resilience/outliers.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "attempts.h"

namespace sluice::resilience {
namespace {

const config::OutlierSettings kOutliers{
    .requests_min = 50, .ratio_above = 0.2, .eject_for = seconds(30), .share_max = 0.34};

using Group = std::vector<OutlierState>;

TEST(Outliers, the_one_that_fails_much_more_is_ejected) {
  Group group = {{.requests = 100, .failures = 30}, {.requests = 100}, {.requests = 100}};
  EXPECT_EQ(eject_outliers(group, kOutliers, at(seconds(0))), 1u);
  EXPECT_EQ(group[0].ejected_until, at(seconds(30)));
  EXPECT_EQ(group[1].ejected_until, MonoTime::min());
}

TEST(Outliers, one_that_fails_as_the_others_do_stays) {
  Group group = {{.requests = 100, .failures = 90},
                 {.requests = 100, .failures = 75},
                 {.requests = 100, .failures = 80}};
  EXPECT_EQ(eject_outliers(group, kOutliers, at(seconds(0))), 0u);
}

TEST(Outliers, exactly_at_the_bound_stays) {
  Group group = {{.requests = 100, .failures = 20}, {.requests = 100}, {.requests = 100}};
  EXPECT_EQ(eject_outliers(group, kOutliers, at(seconds(0))), 0u);
}

TEST(Outliers, too_few_requests_say_nothing_on_either_side) {
  Group few = {{.requests = 49, .failures = 49}, {.requests = 100}, {.requests = 100}};
  EXPECT_EQ(eject_outliers(few, kOutliers, at(seconds(0))), 0u);
  Group alone = {{.requests = 100, .failures = 100}, {.requests = 49}, {.requests = 0}};
  EXPECT_EQ(eject_outliers(alone, kOutliers, at(seconds(0))), 0u) << "nothing to compare with";
}

TEST(Outliers, the_worst_goes_first_and_the_cap_holds) {
  Group group(6, {.requests = 100});
  group[1].failures = 50;
  group[3].failures = 90;
  group[5].failures = 70;
  EXPECT_EQ(eject_outliers(group, kOutliers, at(seconds(0))), 2u);
  EXPECT_GT(group[3].ejected_until, at(seconds(0)));
  EXPECT_GT(group[5].ejected_until, at(seconds(0)));
  EXPECT_EQ(eject_outliers(group, kOutliers, at(seconds(10))), 0u) << "those away count";
  EXPECT_EQ(eject_outliers(group, kOutliers, at(seconds(30))), 2u);
}

TEST(Outliers, of_two_none_is_ejected_by_default) {
  Group group = {{.requests = 100, .failures = 100}, {.requests = 100}};
  EXPECT_EQ(eject_outliers(group, kOutliers, at(seconds(0))), 0u);
}

TEST(Outliers, the_time_grows_and_good_intervals_are_credited) {
  Group group(3, {.requests = 100});
  MonoTime now = at(seconds(0));
  for (uint32_t time = 1; time <= 7; ++time) {
    group[0].failures = 90;
    ASSERT_EQ(eject_outliers(group, kOutliers, now), 1u);
    const uint32_t factor = std::min(time, kEjectionsMax);
    EXPECT_EQ(group[0].ejected_until, now + factor * seconds(30));
    now = group[0].ejected_until;
  }
  group[0].failures = 0;
  for (uint32_t left = kEjectionsMax; left > 0; --left) {
    EXPECT_EQ(group[0].ejections, left);
    EXPECT_EQ(eject_outliers(group, kOutliers, now), 0u);
  }
  EXPECT_EQ(group[0].ejections, 0u);
}

TEST(Outliers, the_cap_holds_for_any_group) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    config::OutlierSettings settings = kOutliers;
    settings.share_max = std::uniform_real_distribution(0.0, 1.0)(random);
    Group group(1 + random() % 20);
    MonoTime now = at(seconds(0));
    for (int interval = 0; interval < 50; ++interval, now += settings.interval) {
      for (OutlierState& member : group) {
        member.requests = random() % 200;
        member.failures = member.requests == 0 ? 0 : random() % (member.requests + 1);
      }
      const auto away = [&] {
        return std::ranges::count_if(
            group, [&](const OutlierState& member) { return member.ejected_until > now; });
      };
      const auto before = away();
      const uint32_t ejected = eject_outliers(group, settings, now);
      ASSERT_EQ(away(), before + ejected) << "seed " << seed;
      ASSERT_LE(static_cast<double>(away()),
                settings.share_max * static_cast<double>(group.size()) + 1e-6)
          << "seed " << seed;
      ASSERT_LT(static_cast<size_t>(ejected), std::max<size_t>(group.size(), 1)) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace sluice::resilience
