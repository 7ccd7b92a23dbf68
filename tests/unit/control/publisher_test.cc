#include <sluice/control/publisher.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

std::unique_ptr<config::Snapshot> make_snapshot() {
  auto snapshot = std::make_unique<config::Snapshot>();
  config::Upstream upstream;
  upstream.name = "one";
  snapshot->upstreams.push_back(upstream);
  config::Model model;
  model.name = "small";
  snapshot->models.push_back(model);
  return snapshot;
}

const std::vector<std::vector<net::Address>> kAddresses = {{*net::parse_address("10.0.0.1", 80)}};

TEST(Publisher, every_shard_gets_the_snapshot_with_cells_and_addresses_of_its_own) {
  metrics::Registry registry(3);
  Publisher publisher(registry);
  const auto adoptions = publisher.publish(make_snapshot(), kAddresses);
  ASSERT_EQ(adoptions.size(), 3u);
  for (const auto& adoption : adoptions) {
    EXPECT_EQ(adoption.snapshot, &publisher.present());
    ASSERT_EQ(adoption.addresses.size(), 1u);
    EXPECT_EQ(adoption.addresses[0][0].to_text(), "10.0.0.1:80");
    ASSERT_EQ(adoption.cells.models.size(), 1u);
    ASSERT_EQ(adoption.cells.upstreams.size(), 1u);
  }
  EXPECT_NE(adoptions[0].cells.models[0], adoptions[1].cells.models[0]);
  EXPECT_EQ(publisher.present().generation, 1u);
  EXPECT_EQ(registry.control().config_generation.value(), 1);
}

TEST(Publisher, counters_of_a_name_go_on_in_the_next_generation) {
  metrics::Registry registry(1);
  Publisher publisher(registry);
  const auto first = publisher.publish(make_snapshot(), kAddresses);
  const auto second = publisher.publish(make_snapshot(), kAddresses);
  EXPECT_EQ(first[0].cells.models[0], second[0].cells.models[0]);
  EXPECT_EQ(second[0].snapshot->generation, 2u);
}

TEST(Publisher, old_snapshot_lives_until_the_last_shard_gives_it_back) {
  metrics::Registry registry(2);
  Publisher publisher(registry);
  static_cast<void>(publisher.publish(make_snapshot(), kAddresses));
  static_cast<void>(publisher.publish(make_snapshot(), kAddresses));
  EXPECT_EQ(publisher.live_count(), 2u);
  publisher.release(1);
  EXPECT_EQ(publisher.live_count(), 2u);
  publisher.release(1);
  EXPECT_EQ(publisher.live_count(), 1u);
  EXPECT_EQ(publisher.present().generation, 2u);
}

TEST(Publisher, generations_may_be_given_back_in_any_order) {
  metrics::Registry registry(1);
  Publisher publisher(registry);
  for (int i = 0; i < 3; ++i) static_cast<void>(publisher.publish(make_snapshot(), kAddresses));
  publisher.release(2);
  EXPECT_EQ(publisher.live_count(), 2u);
  publisher.release(1);
  EXPECT_EQ(publisher.live_count(), 1u);
}

TEST(Publisher, present_snapshot_outlives_its_last_release) {
  metrics::Registry registry(1);
  Publisher publisher(registry);
  static_cast<void>(publisher.publish(make_snapshot(), kAddresses));
  publisher.release(1);  // A shard that has drained gives back what is present, too.
  EXPECT_EQ(publisher.present().generation, 1u);
  static_cast<void>(publisher.publish(make_snapshot(), kAddresses));
  EXPECT_EQ(publisher.live_count(), 1u);
}

TEST(Publisher, has_no_room_above_the_bound_of_living_generations) {
  metrics::Registry registry(1);
  Publisher publisher(registry);
  for (size_t i = 0; i < Publisher::kLiveMost; ++i) {
    ASSERT_TRUE(publisher.has_room());
    static_cast<void>(publisher.publish(make_snapshot(), kAddresses));
  }
  EXPECT_FALSE(publisher.has_room());
  publisher.release(1);
  EXPECT_TRUE(publisher.has_room());
}

TEST(PublisherDeath, giving_back_twice_is_a_bug) {
  metrics::Registry registry(1);
  Publisher publisher(registry);
  static_cast<void>(publisher.publish(make_snapshot(), kAddresses));
  publisher.release(1);
  EXPECT_DEATH(publisher.release(1), "");
}

}  // namespace
}  // namespace sluice::control
