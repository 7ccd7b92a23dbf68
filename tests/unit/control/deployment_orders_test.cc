#include <sluice/control/deployment_book.h>

#include <gtest/gtest.h>

#include "kept_lines.h"

namespace sluice::control {
namespace {

using resilience::BreakerState;

class DeploymentOrdersTest : public ::testing::Test {
 protected:
  DeploymentOrdersTest() {
    for (const char* name : {"one", "two"}) snapshot_.upstreams.emplace_back().name = name;
    snapshot_.generation = 3;
    const std::vector<std::string_view> names = {"one", "two"};
    cells_ = registry_.bind({}, names);
    book_.follow(snapshot_);
  }
  metrics::UpstreamCells& cells(size_t shard) { return *cells_[shard].upstreams[0]; }
  // What the first shard is told of the first deployment; nothing when there is nothing new.
  std::optional<upstream::DeploymentNews> merge() {
    book_.hurry();
    const auto updates = book_.merge(now_);
    if (updates.empty()) return std::nullopt;
    EXPECT_EQ(updates.size(), 2u);
    EXPECT_EQ(updates[0].news[0].cooldown_until, updates[1].news[0].cooldown_until);
    return updates[0].news[0];
  }
  void open_breaker(size_t shard, MonoTime until) {
    cells(shard).breaker_state.set(1);
    cells(shard).breaker_until_ns.set(until.time_since_epoch().count());
    cells(shard).breaker_changed_ns.set(now_.time_since_epoch().count());
  }

  MonoTime now_{seconds(1000)};
  config::Snapshot snapshot_;
  metrics::Registry registry_{2};
  support::KeptLines log_;
  DeploymentBook book_{registry_, log_};
  std::vector<metrics::SnapshotCells> cells_;
};

TEST_F(DeploymentOrdersTest, cooldown_that_is_told_replaces_a_longer_one_and_is_cleared) {
  ASSERT_TRUE(book_.cool("one", now_, seconds(60)));
  EXPECT_TRUE(book_.is_hurried());
  EXPECT_EQ(merge()->cooldown_until, now_ + seconds(60));
  EXPECT_EQ(log_.lines, (std::vector<std::string>{"one: cooldown for 1m, as an operator asked"}));
  ASSERT_TRUE(book_.cool("one", now_, seconds(5)));
  EXPECT_EQ(merge()->cooldown_until, now_ + seconds(5));
  ASSERT_TRUE(book_.clear("one", now_));
  const auto news = merge();
  EXPECT_EQ(news->cooldown_until, MonoTime::min());
  EXPECT_GT(news->cooldown_at, now_) << "shards must see that it is later";
  EXPECT_FALSE(book_.cool("three", now_, seconds(5)));
  EXPECT_FALSE(book_.clear("three", now_));
}

TEST_F(DeploymentOrdersTest, breaker_is_logged_once_for_each_change_with_its_failures) {
  merge();
  cells(1).attempts[metrics::AttemptOutcome::kOk].add(2);
  cells(1).attempts[metrics::AttemptOutcome::kServerError].add(6);
  open_breaker(1, now_ + seconds(10));
  EXPECT_EQ(merge()->breaker_state, 1);
  EXPECT_FALSE(merge().has_value());
  const std::string opened = "one: breaker opened for 10s; 6 of 8 recent attempts failed";
  EXPECT_EQ(log_.lines, (std::vector<std::string>{opened}));
  // The other shard has heard of it: no change.
  open_breaker(0, now_ + seconds(10));
  merge();
  EXPECT_EQ(log_.lines.size(), 1u);
  cells(0).breaker_state.set(2);
  merge();
  now_ += seconds(1);
  cells(0).breaker_state.set(0);
  cells(0).breaker_until_ns.set(0);
  cells(0).breaker_changed_ns.set(now_.time_since_epoch().count());
  merge();
  EXPECT_EQ(log_.lines,
            (std::vector<std::string>{opened, "one: breaker half open; a probe has succeeded",
                                      "one: breaker closed, after probes that succeeded"}));
}

TEST_F(DeploymentOrdersTest, clearing_closes_an_open_breaker) {
  open_breaker(0, now_ + seconds(10));
  merge();
  ASSERT_TRUE(book_.clear("one", now_));
  const auto news = merge();
  EXPECT_EQ(news->breaker_state, 0);
  EXPECT_GT(news->breaker_at, now_);
  EXPECT_EQ(log_.lines.back(), "one: breaker closed, as an operator asked");
}

TEST_F(DeploymentOrdersTest, errors_are_those_of_the_last_half_minute) {
  merge();
  cells(0).attempts[metrics::AttemptOutcome::kTimeout].add(3);
  cells(0).attempts[metrics::AttemptOutcome::kCancelled].add(9);
  merge();
  EXPECT_EQ(book_.view(UpstreamId{0}).recent_failures, 3u);
  EXPECT_EQ(book_.view(UpstreamId{0}).recent_attempts, 3u);
  for (int second = 0; second < 40; ++second) {
    now_ += seconds(1);
    merge();
    if (second < 25) EXPECT_EQ(book_.view(UpstreamId{0}).recent_failures, 3u) << second;
  }
  EXPECT_EQ(book_.view(UpstreamId{0}).recent_failures, 0u);
}

TEST_F(DeploymentOrdersTest, orders_survive_a_reload_by_name) {
  book_.orders("one")->is_drained = true;
  EXPECT_TRUE(merge()->is_drained);
  std::swap(snapshot_.upstreams[0], snapshot_.upstreams[1]);
  book_.follow(snapshot_);
  const auto updates = book_.merge(now_);
  ASSERT_EQ(updates.size(), 2u);
  EXPECT_FALSE(updates[0].news[0].is_drained);
  EXPECT_TRUE(updates[0].news[1].is_drained);
}

}  // namespace
}  // namespace sluice::control
