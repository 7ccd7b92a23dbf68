#include "redis_link.h"

#include "redis_world.h"

namespace sluice::store {
namespace {

class RedisLinkTest : public RedisWorld {
 protected:
  // When connections to a server begin that takes each and ends it at once.
  std::vector<MonoTime> watch_tries(uint64_t seed, Duration length) {
    std::vector<MonoTime> tries;
    world_.serve(support::sim_address("10.0.0.1", 6379), [&]() -> support::SimPeer& {
      tries.push_back(ring_.now());
      support::SimPeer& peer = world_.adopt();
      peer.when_bytes = [&peer](std::string_view) { peer.close(); };
      return peer;
    });
    start({.endpoints = {at(1)}, .seed = seed});
    EXPECT_TRUE(run_for(length));
    return tries;
  }
};

TEST_F(RedisLinkTest, pauses_grow_up_to_their_bound_and_are_jittered) {
  const std::vector<MonoTime> tries = watch_tries(5, seconds(60));
  // Of 2 s at most, and 1 s in the mean.
  EXPECT_GT(tries.size(), 40u);
  EXPECT_LT(tries.size(), 100u);
  const Duration slack = milliseconds(5);
  Duration longest{};
  Duration most = RedisClient::kBackoffMin;
  for (size_t i = 1; i < tries.size(); ++i) {
    const Duration pause = tries[i] - tries[i - 1];
    EXPECT_LE(pause, most + slack) << i;
    longest = std::max(longest, pause);
    most = std::min(most * 2, RedisClient::kBackoffMax);
  }
  EXPECT_GT(longest, seconds(1));
}

TEST_F(RedisLinkTest, a_connection_that_lived_makes_the_next_pause_short_again) {
  FakeRedis& redis = serve(1);
  start_up();
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(run_for(seconds(3)));
    const MonoTime lost = world_.clock().now();
    redis.peers.back()->reset();
    ASSERT_TRUE(run_until([&] { return !client_->is_up(); }));
    ASSERT_TRUE(run_until([&] { return client_->is_up(); }));
    EXPECT_LE(redis.connected_at.back() - lost, RedisClient::kBackoffMin + milliseconds(10));
  }
}

TEST_F(RedisLinkTest, a_server_that_dribbles_is_not_silent) {
  FakeRedis& redis = serve(1);
  redis.answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] == "GET") return "";
    return std::nullopt;
  };
  start_up();
  EXPECT_FALSE(call_one(get("a"), milliseconds(10)).has_value());
  redis.peers[0]->send("$20\r\n");
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(run_for(milliseconds(500)));
    EXPECT_TRUE(client_->is_up());
    redis.peers[0]->send("x");
  }
  redis.peers[0]->send("\r\n");
  ASSERT_TRUE(run_for(seconds(5)));
  EXPECT_TRUE(client_->is_up());
  EXPECT_EQ(redis.peers.size(), 1u);
}

TEST_F(RedisLinkTest, what_nobody_asked_for_ends_the_connection) {
  FakeRedis& redis = serve(1);
  start_up();
  redis.peers[0]->send("+hello\r\n");
  ASSERT_TRUE(run_until([&] { return !client_->is_up(); }));
  EXPECT_EQ(log_.lines.at(1), "lost 10.0.0.1:6379: it says what it was not asked");
}

TEST_F(RedisLinkTest, a_server_that_takes_nothing_costs_the_deadline_alone) {
  FakeRedis& redis = serve(1);
  start_up();
  redis.peers[0]->stall_reading();
  const std::string large(2'000'000, 'x');
  const MonoTime begun = ring_.now();
  std::optional<Results> first;
  std::optional<Results> second;
  begin({{.arguments = {"SET", "a", large}, .key = "a", .script = {}}}, &first, milliseconds(50));
  ASSERT_TRUE(run_for(milliseconds(10)));
  begin({get("b")}, &second, milliseconds(50));
  ASSERT_TRUE(run_until([&] { return second.has_value(); }));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->at(0).error().code, ErrorCode::kUpstreamTimeout);
  EXPECT_EQ(first->at(0).error().retry, Retry::kNever);
  EXPECT_EQ(second->at(0).error().retry, Retry::kYes);  // Waited behind the first one.
  EXPECT_LE(ended_at_ - begun, milliseconds(65));
  ASSERT_TRUE(run_until([&] { return log_.lines.size() == 2; }));
  EXPECT_EQ(log_.lines[1], "lost 10.0.0.1:6379: it does not answer any more");
}

}  // namespace
}  // namespace sluice::store
