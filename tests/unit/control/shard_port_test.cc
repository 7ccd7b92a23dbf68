#include <sluice/control/shard_port.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

upstream::ShardCommand numbered(uint64_t generation) {
  return upstream::UpdateAddresses{generation, UpstreamId{0}, {}};
}

uint64_t number_of(const upstream::ShardCommand& command) {
  return std::get<upstream::UpdateAddresses>(command).generation;
}

TEST(ShardPort, commands_beyond_the_mailbox_wait_and_keep_their_order) {
  Commands commands(2);
  Reports reports(2);
  ShardPort port(ShardId{0}, commands, reports);
  for (uint64_t i = 1; i <= 5; ++i) port.send(numbered(i));
  EXPECT_TRUE(port.has_waiting());
  EXPECT_FALSE(port.flush());
  std::vector<uint64_t> seen;
  for (int round = 0; round < 5; ++round) {
    while (const auto command = commands.pop()) seen.push_back(number_of(*command));
    port.flush();
  }
  EXPECT_EQ(seen, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_FALSE(port.has_waiting());
}

TEST(ShardPort, reports_come_in_order) {
  Commands commands(2);
  Reports reports(4);
  ShardPort port(ShardId{3}, commands, reports);
  EXPECT_FALSE(port.has_report());
  ASSERT_TRUE(reports.push(upstream::SnapshotReleased{7}));
  ASSERT_TRUE(reports.push(upstream::ShardDrained{}));
  ASSERT_TRUE(port.has_report());
  const auto first = port.take_report();
  ASSERT_TRUE(first);
  EXPECT_EQ(std::get<upstream::SnapshotReleased>(*first).generation, 7u);
  const auto second = port.take_report();
  ASSERT_TRUE(second);
  EXPECT_TRUE(std::holds_alternative<upstream::ShardDrained>(*second));
  EXPECT_FALSE(port.take_report());
}

}  // namespace
}  // namespace sluice::control
