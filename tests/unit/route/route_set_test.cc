#include <sluice/route/route_set.h>

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "../../support/prng.h"

namespace sluice::route {
namespace {

std::vector<uint32_t> members(const RouteSet& set) {
  std::vector<uint32_t> found;
  set.for_each([&](uint32_t index) { found.push_back(index); });
  return found;
}

TEST(RouteSet, holds_the_first_n) {
  for (const uint32_t n : {0u, 1u, 63u, 64u, 65u, 128u, 255u, 256u}) {
    const RouteSet set = RouteSet::first_n(n);
    EXPECT_EQ(set.count(), n);
    EXPECT_EQ(set.empty(), n == 0);
    EXPECT_EQ(members(set).size(), n);
    EXPECT_FALSE(set.has(n));
    if (n > 0) {
      EXPECT_TRUE(set.has(n - 1));
    }
  }
  EXPECT_FALSE(RouteSet::first_n(256).has(1000));
}

// Goal: it is what std::set is, after any adding and removing.
TEST(RouteSet, is_a_set) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    support::Prng random(seed);
    RouteSet left;
    RouteSet right;
    std::set<uint32_t> left_model;
    std::set<uint32_t> right_model;
    for (int i = 0; i < 300; ++i) {
      const auto index = static_cast<uint32_t>(random.below(RouteSet::kRoutesMax));
      if (random.chance(300)) {
        left.remove(index);
        left_model.erase(index);
      } else {
        left.add(index);
        left_model.insert(index);
      }
      if (random.chance(500)) {
        right.add(index / 2);
        right_model.insert(index / 2);
      }
    }
    EXPECT_EQ(members(left), std::vector(left_model.begin(), left_model.end()));
    EXPECT_EQ(left.count(), left_model.size());
    EXPECT_EQ(left.first(), *left_model.begin());
    for (uint32_t index = 0; index < RouteSet::kRoutesMax; ++index) {
      EXPECT_EQ((left & right).has(index),
                left_model.contains(index) && right_model.contains(index));
      EXPECT_EQ((left | right).has(index),
                left_model.contains(index) || right_model.contains(index));
      EXPECT_EQ((left - right).has(index),
                left_model.contains(index) && !right_model.contains(index));
    }
    uint32_t n = 0;
    for (const uint32_t index : left_model) EXPECT_EQ(left.nth(n++), index);
    EXPECT_EQ(left.without(right) | (left & right), left);
  }
}

}  // namespace
}  // namespace sluice::route
