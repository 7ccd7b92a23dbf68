#include "descriptors.h"

#include <gtest/gtest.h>

namespace sluice::app {
namespace {

config::Snapshot with_upstreams(uint32_t count, uint32_t clients) {
  config::Snapshot snapshot;
  snapshot.limits.connections_max = clients;
  snapshot.upstreams.resize(count);
  return snapshot;
}

TEST(Descriptors, needs_grow_with_clients_shards_and_upstreams) {
  const auto one = count_descriptors(with_upstreams(1, 1000), 1);
  EXPECT_GT(one.clients, 1000u);
  EXPECT_EQ(one.upstreams, 1000u + 256u);  // One attempt per client, and what may stay idle.
  EXPECT_GT(count_descriptors(with_upstreams(1, 2000), 1).clients, one.clients);
  EXPECT_GT(count_descriptors(with_upstreams(1, 1000), 4).fixed, one.fixed);
  EXPECT_GT(count_descriptors(with_upstreams(9, 1000), 1).upstreams, one.upstreams);
}

TEST(Descriptors, pools_never_need_more_than_their_own_limits) {
  config::Snapshot snapshot = with_upstreams(1, 100'000);
  snapshot.upstreams[0].pool.connections_max = 50;
  EXPECT_EQ(count_descriptors(snapshot, 2).upstreams, 100u);
}

TEST(Descriptors, soft_limit_is_raised_to_what_is_needed_and_never_lowered) {
  const DescriptorNeeds needs{.fixed = 100, .clients = 1000, .upstreams = 900};
  const auto raised = plan_descriptors(needs, 1024, 1'000'000);
  ASSERT_TRUE(raised);
  EXPECT_EQ(raised->soft_limit, 2000u);
  EXPECT_EQ(raised->warning, "");
  EXPECT_EQ(plan_descriptors(needs, 50'000, 1'000'000)->soft_limit, 50'000u);
}

TEST(Descriptors, defaults_start_under_a_hard_limit_of_20000_with_a_warning) {
  const auto needs = count_descriptors(with_upstreams(1, 16'384), 2);
  const auto plan = plan_descriptors(needs, 1024, 20'000);
  ASSERT_TRUE(plan) << plan.error();
  EXPECT_EQ(plan->soft_limit, 20'000u);
  EXPECT_TRUE(plan->warning.contains("the hard limit is 20000")) << plan->warning;
  EXPECT_TRUE(plan->warning.contains(std::to_string(20'000 - needs.least()))) << plan->warning;
}

TEST(Descriptors, hard_limit_below_the_clients_alone_is_refused_with_setting_and_value) {
  const DescriptorNeeds needs{.fixed = 200, .clients = 16'400, .upstreams = 16'000};
  const auto plan = plan_descriptors(needs, 1024, 4200);
  ASSERT_FALSE(plan);
  EXPECT_TRUE(plan.error().contains("set limits.connections_max to 2000 or less")) << plan.error();
  EXPECT_TRUE(plan.error().contains("raise the limit to 32600")) << plan.error();
}

TEST(Descriptors, advice_of_a_refusal_starts) {
  const auto refused =
      plan_descriptors(count_descriptors(with_upstreams(3, 100'000), 4), 1024, 20'000);
  ASSERT_FALSE(refused);
  const size_t at = refused.error().find("connections_max to ") + 19;
  const auto advised = static_cast<uint32_t>(std::stoul(refused.error().substr(at)));
  EXPECT_TRUE(plan_descriptors(count_descriptors(with_upstreams(3, advised), 4), 1024, 20'000));
}

TEST(Descriptors, hopeless_limit_says_so) {
  const auto plan = plan_descriptors({.fixed = 200, .clients = 10}, 64, 64);
  ASSERT_FALSE(plan);
  EXPECT_TRUE(plan.error().contains("too low for any use")) << plan.error();
}

}  // namespace
}  // namespace sluice::app
