#include <sluice/control/deployment_book.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

constexpr MonoTime kStart{seconds(6000)};
constexpr int64_t kOpen = 1;

class DeploymentBookTest : public testing::Test {
 protected:
  DeploymentBookTest() { follow({"a"}); }

  void follow(const std::vector<std::string>& names) {
    config::Snapshot snapshot;
    snapshot.generation = ++generation_;
    std::vector<std::string_view> bound;
    for (const std::string& name : names) {
      config::Upstream upstream;
      upstream.name = name;
      snapshot.upstreams.push_back(upstream);
    }
    for (const config::Upstream& upstream : snapshot.upstreams) bound.push_back(upstream.name);
    (void)registry_.bind({}, bound);
    book_.follow(snapshot);
  }
  metrics::UpstreamCells& cells(size_t shard, std::string_view name = "a") {
    return *registry_.upstreams().find(name).by_shard[shard];
  }
  // The next merge that is due; each shard's news of the first upstream.
  std::vector<upstream::DeploymentNews> merge() {
    now_ += DeploymentBook::kPeriod;
    std::vector<upstream::DeploymentNews> news;
    for (const upstream::UpdateDeployments& update : book_.merge(now_)) {
      EXPECT_EQ(update.generation, generation_);
      news.push_back(update.news.at(0));
    }
    return news;
  }
  static void change_breaker(metrics::UpstreamCells& cells, int64_t state, MonoTime at,
                             MonoTime until) {
    cells.breaker_state.set(state);
    cells.breaker_until_ns.set(until.time_since_epoch().count());
    cells.breaker_changed_ns.publish(at.time_since_epoch().count());
  }

  metrics::Registry registry_{3};
  NullLogger log_;
  DeploymentBook book_{registry_, log_};
  uint64_t generation_ = 0;
  MonoTime now_ = kStart;
};

TEST_F(DeploymentBookTest, each_shard_is_told_the_others_and_nothing_is_counted_twice) {
  cells(0).in_flight.add();
  cells(1).in_flight.add();
  cells(1).in_flight.add();
  cells(2).tokens.add(50);
  (void)merge();
  cells(2).tokens.add(7);
  const auto news = merge();
  ASSERT_EQ(news.size(), 3u);
  EXPECT_EQ(news[0].in_flight, 2u);
  EXPECT_EQ(news[1].in_flight, 1u);
  EXPECT_EQ(news[2].in_flight, 3u);
  EXPECT_EQ(news[0].minute_tokens - news[2].minute_tokens, 7u) << "of this minute only";
  EXPECT_EQ(news[2].minute_tokens, 0u);
  EXPECT_EQ(book_.view(UpstreamId{0}).in_flight, 3);
}

TEST_F(DeploymentBookTest, means_leave_out_those_that_know_nothing_and_the_shard_itself) {
  cells(0).first_token_ns.set(1000);
  cells(1).first_token_ns.set(3000);
  const auto news = merge();
  ASSERT_EQ(news.size(), 3u);
  EXPECT_EQ(news[0].first_token, Duration(3000));
  EXPECT_EQ(news[1].first_token, Duration(1000));
  EXPECT_EQ(news[2].first_token, Duration(2000));
  EXPECT_EQ(book_.view(UpstreamId{0}).first_token, Duration(2000));
}

TEST_F(DeploymentBookTest, the_later_change_of_a_breaker_holds_everywhere) {
  change_breaker(cells(0), kOpen, kStart + seconds(1), kStart + seconds(11));
  change_breaker(cells(1), 0, kStart + seconds(2), MonoTime::min());
  for (const upstream::DeploymentNews& news : merge()) {
    EXPECT_EQ(news.breaker_at, kStart + seconds(2));
    EXPECT_EQ(news.breaker_state, 0);
  }
  change_breaker(cells(2), kOpen, kStart + seconds(3), kStart + seconds(13));
  const auto news = merge();
  ASSERT_EQ(news.size(), 3u);
  for (const upstream::DeploymentNews& one : news) {
    EXPECT_EQ(one.breaker_state, kOpen);
    EXPECT_EQ(one.breaker_until, kStart + seconds(13));
  }
}

TEST_F(DeploymentBookTest, the_later_change_of_a_cooldown_holds_an_operators_too) {
  cells(0).cooldown_until_ns.set((kStart + seconds(60)).time_since_epoch().count());
  cells(0).cooldown_changed_ns.publish((kStart + seconds(1)).time_since_epoch().count());
  ASSERT_EQ(merge().at(2).cooldown_until, kStart + seconds(60));
  DeploymentOrders* const orders = book_.orders("a");
  ASSERT_NE(orders, nullptr);
  orders->cooldown_at = kStart + seconds(2);
  orders->cooldown_until = MonoTime::min();  // Cleared.
  ASSERT_EQ(merge().at(2).cooldown_until, MonoTime::min());
}

TEST_F(DeploymentBookTest, a_merge_is_due_once_a_period_and_speaks_only_of_what_is_new) {
  ASSERT_EQ(merge().size(), 3u);
  EXPECT_TRUE(merge().empty());
  cells(0).in_flight.add();
  EXPECT_TRUE(book_.merge(now_ + DeploymentBook::kPeriod / 2).empty());
  EXPECT_EQ(book_.merge(now_ + DeploymentBook::kPeriod).size(), 3u);
}

TEST_F(DeploymentBookTest, a_hurried_merge_does_not_wait) {
  ASSERT_EQ(merge().size(), 3u);
  change_breaker(cells(0), kOpen, kStart + seconds(1), kStart + seconds(11));
  book_.hurry();
  EXPECT_EQ(book_.merge(now_).size(), 3u);
  EXPECT_FALSE(book_.is_hurried());
}

TEST_F(DeploymentBookTest, orders_stand_by_name_over_reloads) {
  book_.orders("a")->is_drained = true;
  follow({"b", "a"});
  now_ += DeploymentBook::kPeriod;
  const auto updates = book_.merge(now_);
  ASSERT_EQ(updates.size(), 3u) << "a new configuration is told even when nothing has changed";
  EXPECT_FALSE(updates[0].news[0].is_drained);
  EXPECT_TRUE(updates[0].news[1].is_drained);
  follow({"b"});
  EXPECT_EQ(book_.orders("a"), nullptr);
  follow({"a"});
  EXPECT_TRUE(book_.orders("a")->is_drained);
}

TEST_F(DeploymentBookTest, d113_recent_failures_leave_out_what_clients_did) {
  using metrics::AttemptOutcome;
  (void)merge();
  cells(0).attempts[AttemptOutcome::kOk].add();
  cells(0).attempts[AttemptOutcome::kServerError].add();
  cells(1).attempts[AttemptOutcome::kTimeout].add();
  cells(1).attempts[AttemptOutcome::kClientError].add();
  cells(2).attempts[AttemptOutcome::kCancelled].add();
  (void)merge();
  EXPECT_EQ(book_.view(UpstreamId{0}).recent_attempts, 4u);
  EXPECT_EQ(book_.view(UpstreamId{0}).recent_failures, 2u);
}

TEST_F(DeploymentBookTest, what_was_attempted_before_the_first_merge_is_recent_too) {
  cells(0).attempts[metrics::AttemptOutcome::kServerError].add();
  (void)merge();
  cells(0).attempts[metrics::AttemptOutcome::kServerError].add();
  (void)merge();
  EXPECT_EQ(book_.view(UpstreamId{0}).recent_attempts, 2u);
  EXPECT_EQ(book_.view(UpstreamId{0}).recent_failures, 2u);
}

TEST_F(DeploymentBookTest, d034_other_gateways_count_as_one_more_shard) {
  cells(0).in_flight.add();
  cells(0).whole_ns.set(1'000'000);
  (void)merge();
  book_.hear({{"a",
               {.in_flight = 5,
                .minute_tokens = 40,
                .first_token = {microseconds(7), 2},
                .whole = {microseconds(4000), 2}}},
              {"unknown", {.in_flight = 9}}});
  EXPECT_TRUE(book_.is_hurried());
  const auto news = merge();
  ASSERT_EQ(news.size(), 3u);
  EXPECT_EQ(news[0].in_flight, 5u);
  EXPECT_EQ(news[1].in_flight, 6u);
  EXPECT_EQ(news[1].minute_tokens, 40u);
  EXPECT_EQ(news[1].first_token, microseconds(7));
  EXPECT_EQ(news[0].whole, microseconds(4000));
  EXPECT_EQ(news[1].whole, microseconds(3000)) << "by the number of shards";
  EXPECT_EQ(book_.view(UpstreamId{0}).in_flight, 1);
  book_.hear({});
  EXPECT_EQ(merge().at(0).in_flight, 0u);
}

TEST_F(DeploymentBookTest, d034_what_was_heard_is_not_told_on) {
  const auto rest_at = [this](size_t shard, MonoTime at, MonoTime until) {
    cells(shard).cooldown_until_ns.set(until.time_since_epoch().count());
    cells(shard).cooldown_changed_ns.publish(at.time_since_epoch().count());
  };
  cells(1).in_flight.add();
  book_.hear({{"a", {.in_flight = 5, .cooldown = {kStart + seconds(1), kStart + seconds(60)}}}});
  ASSERT_EQ(merge().at(2).cooldown_until, kStart + seconds(60));
  rest_at(2, kStart + seconds(1), kStart + seconds(60));  // As the shard takes it in.
  EXPECT_EQ(book_.own_stats(now_).at("a"), (OwnStats{.in_flight = 1}));
  book_.hear({});
  EXPECT_EQ(book_.own_stats(now_).at("a").cooldown, SharedCooldown{});
  EXPECT_EQ(merge().at(2).cooldown_until, kStart + seconds(60)) << "a rest that was heard of stays";

  rest_at(0, kStart + seconds(2), kStart + seconds(30));
  const SharedCooldown own = book_.own_stats(kStart + seconds(3)).at("a").cooldown;
  EXPECT_EQ(own.age, seconds(1));
  EXPECT_EQ(own.left, seconds(27));
  EXPECT_EQ(book_.own_stats(kStart + seconds(31)).at("a").cooldown, SharedCooldown{});
  ASSERT_TRUE(book_.clear("a", kStart + seconds(4)));
  const SharedCooldown cleared = book_.own_stats(kStart + seconds(31)).at("a").cooldown;
  EXPECT_GT(cleared.number, own.number);
  EXPECT_EQ(cleared.left, Duration::zero());
}

}  // namespace
}  // namespace sluice::control
