#include <sluice/control/place_table.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

constexpr MonoTime kSome{seconds(1)};

config::Snapshot make_snapshot(uint32_t most) {
  config::Snapshot snapshot;
  config::Upstream upstream;
  upstream.name = "a";
  upstream.concurrency_max = most;
  snapshot.upstreams.push_back(upstream);
  config::Model model;
  model.name = "m";
  config::Route route;
  route.upstream = UpstreamId{0};
  model.routes.push_back(route);
  snapshot.models.push_back(model);
  return snapshot;
}

TEST(PlaceTable, a_bank_is_known_by_what_it_limits_and_by_its_name) {
  PlaceTable table(2);
  config::Snapshot snapshot = make_snapshot(3);
  snapshot.limits.concurrency_max = 7;
  snapshot.models[0].concurrency_max = 4;
  snapshot.models[0].queue.length_max = 5;
  const upstream::SnapshotPlaces places = table.follow(snapshot);
  EXPECT_EQ(places.process->most(), 7u);
  EXPECT_EQ(places.upstreams[0]->most(), 3u);
  EXPECT_EQ(places.probes[0]->most(), snapshot.upstreams[0].breaker.probes);
  EXPECT_EQ(places.models[0]->most(), 4u);
  EXPECT_EQ(places.queues[0]->most(), 5u);
  EXPECT_NE(places.upstreams[0], places.probes[0]);
}

TEST(PlaceTable, what_nothing_limits_has_no_bank) {
  PlaceTable table(1);
  config::Snapshot snapshot = make_snapshot(0);
  snapshot.upstreams[0].breaker.enabled = false;
  const upstream::SnapshotPlaces places = table.follow(snapshot);
  EXPECT_EQ(places.process, nullptr);
  EXPECT_EQ(places.upstreams[0], nullptr);
  EXPECT_EQ(places.probes[0], nullptr);
  EXPECT_EQ(places.models[0], nullptr);
  EXPECT_EQ(places.queues[0], nullptr) << "nobody ever waits";
}

TEST(PlaceTable, d122_a_name_keeps_its_bank_and_those_in_flight_their_places) {
  PlaceTable table(1);
  PlaceBank* const bank = table.follow(make_snapshot(3)).upstreams[0];
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(bank->try_take());
  EXPECT_EQ(table.follow(make_snapshot(1)).upstreams[0], bank);
  EXPECT_EQ(bank->in_use(), 3u);
  (void)bank->give_back();
  (void)bank->give_back();
  EXPECT_FALSE(bank->try_take()) << "one is still in flight and one is the limit";
  (void)bank->give_back();
  EXPECT_TRUE(bank->try_take());
  (void)bank->give_back();
}

TEST(PlaceTable, d122_a_raised_limit_hands_places_to_the_shard_that_waits_longest) {
  PlaceTable table(3);
  PlaceBank* const bank = table.follow(make_snapshot(1)).upstreams[0];
  ASSERT_TRUE(bank->try_take());
  bank->publish_wait(ShardId{1}, kSome + seconds(1));
  bank->publish_wait(ShardId{2}, kSome);
  (void)table.follow(make_snapshot(3));
  EXPECT_EQ(bank->in_use(), 3u);
  EXPECT_TRUE(bank->take_handed(ShardId{2}));
  EXPECT_TRUE(bank->take_handed(ShardId{2}));
  EXPECT_FALSE(bank->take_handed(ShardId{2}));
  EXPECT_FALSE(bank->take_handed(ShardId{1}));
  // What the first does not need goes on to the next one that waits.
  bank->publish_wait(ShardId{2}, MonoTime::max());
  const std::optional<ShardId> next = bank->give_back();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->value, 1u);
  EXPECT_TRUE(bank->take_handed(ShardId{1}));
  EXPECT_EQ(bank->in_use(), 3u) << "exact, whoever has them";
}

TEST(PlaceTable, d122_a_limit_that_is_taken_away_hands_places_to_those_that_wait) {
  PlaceTable table(1);
  PlaceBank* const bank = table.follow(make_snapshot(1)).upstreams[0];
  ASSERT_TRUE(bank->try_take());
  bank->publish_wait(ShardId{0}, kSome);
  EXPECT_EQ(table.follow(make_snapshot(0)).upstreams[0], nullptr);
  EXPECT_TRUE(bank->take_handed(ShardId{0}));
  EXPECT_FALSE(bank->is_full());
  // The limit comes back, and with it the same bank.
  EXPECT_EQ(table.follow(make_snapshot(2)).upstreams[0], bank);
}

}  // namespace
}  // namespace sluice::control
