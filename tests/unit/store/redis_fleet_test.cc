#include "redis_fleet.h"

#include <algorithm>

#include "redis_world.h"

namespace sluice::store {
namespace {

// A cluster whose nodes all tell `slots_`.
class RedisFleetTest : public RedisWorld {
 protected:
  FakeRedis& serve_node(int number) {
    FakeRedis& node = serve(number);
    node.run_id = "run" + std::to_string(number);
    node.answer = [this, number](const Words& words) -> std::optional<std::string> {
      if (words[0] == "CLUSTER") {
        ++questions_;
        return slots_;
      }
      if (words[0] == "ASKING") return "+OK\r\n";
      if (words[0] != "GET") return std::nullopt;
      if (answer_) {
        if (auto reply = answer_(number, words)) return reply;
      }
      return bulk(words.at(1) + "@" + std::to_string(number));
    };
    return node;
  }
  // The slots in equal parts.
  void share(const std::vector<int>& numbers) {
    slots_ = "*" + std::to_string(numbers.size()) + "\r\n";
    for (size_t i = 0; i < numbers.size(); ++i) {
      const size_t first = kSlotCount * i / numbers.size();
      const size_t last = kSlotCount * (i + 1) / numbers.size() - 1;
      slots_ += "*3\r\n:" + std::to_string(first) + "\r\n:" + std::to_string(last) + "\r\n*3\r\n" +
                bulk(host(numbers[i])) + ":6379\r\n" + bulk("id");
    }
  }
  RedisClient& start_cluster(std::vector<RedisEndpoint> seeds) {
    return start({.kind = RedisOptions::Kind::kCluster, .endpoints = std::move(seeds)});
  }
  // Node 1 has `foo` (12182) in the upper half, `b` (3300) is in the lower one.
  RedisClient& start_two() {
    serve_node(1);
    serve_node(2);
    share({1, 2});
    RedisClient& client = start_cluster({at(1)});
    EXPECT_TRUE(run_until([&] { return client.is_up(); }));
    // Until it asks no more.
    EXPECT_TRUE(run_for(seconds(3)));
    return client;
  }

  std::string slots_ = "*0\r\n";
  std::function<std::optional<std::string>(int, const Words&)> answer_;
  size_t questions_ = 0;
};

TEST_F(RedisFleetTest, each_key_goes_to_its_node_and_each_node_gets_one_write) {
  RedisClient& client = start_two();
  for (const auto& server : servers_) server->writes = 0;
  const Results results = call({get("foo"), get("b"), get("{foo}x"), get("{b}y")});
  EXPECT_EQ(results[0]->text, "foo@2");
  EXPECT_EQ(results[1]->text, "b@1");
  EXPECT_EQ(results[2]->text, "{foo}x@2");
  EXPECT_EQ(results[3]->text, "{b}y@1");
  for (const auto& server : servers_) EXPECT_EQ(server->writes, 1u);
  EXPECT_TRUE(client.is_up_for("foo"));
}

TEST_F(RedisFleetTest, without_need_the_slots_are_not_asked_again) {
  start_two();
  const size_t before = questions_;
  ASSERT_TRUE(run_for(seconds(60)));
  EXPECT_EQ(questions_, before);
}

TEST_F(RedisFleetTest, a_moved_slot_is_followed_learnt_and_no_new_epoch) {
  RedisClient& client = start_two();
  const uint64_t epoch = client.epoch();
  answer_ = [](int number, const Words& words) -> std::optional<std::string> {
    if (number == 1 && words[1] == "b") return "-MOVED 3300 10.0.0.2:6379\r\n";
    return std::nullopt;
  };
  EXPECT_EQ(call_one(get("b"))->text, "b@2");
  EXPECT_EQ(client.figures().commands, 2u);
  EXPECT_EQ(call_one(get("b"))->text, "b@2");
  EXPECT_EQ(client.figures().commands, 3u);
  EXPECT_EQ(client.epoch(), epoch);
}

TEST_F(RedisFleetTest, ask_is_for_once_and_says_asking_right_before) {
  start_two();
  answer_ = [](int number, const Words& words) -> std::optional<std::string> {
    if (number == 1 && words[1] == "b") return "-ASK 3300 10.0.0.2:6379\r\n";
    return std::nullopt;
  };
  EXPECT_EQ(call_one(get("b"))->text, "b@2");
  EXPECT_EQ(call_one(get("b"))->text, "b@2");
  EXPECT_EQ(servers_[0]->commands.back(), (Words{"GET", "b"}));
  const std::vector<Words>& heard = servers_[1]->commands;
  ASSERT_GE(heard.size(), 4u);
  EXPECT_EQ(heard[heard.size() - 2], (Words{"ASKING"}));
  EXPECT_EQ(heard.back(), (Words{"GET", "b"}));
}

TEST_F(RedisFleetTest, a_node_that_was_not_known_is_connected_for_a_redirection) {
  RedisClient& client = start_two();
  serve_node(3);
  answer_ = [](int number, const Words&) -> std::optional<std::string> {
    if (number == 1) return "-MOVED 3300 10.0.0.3:6379\r\n";
    return std::nullopt;
  };
  EXPECT_EQ(call_one(get("b"))->text, "b@3");
  EXPECT_TRUE(client.is_up_for("b"));
}

TEST_F(RedisFleetTest, a_redirection_in_a_circle_ends) {
  start_two();
  answer_ = [](int number, const Words&) -> std::optional<std::string> {
    return number == 1 ? "-MOVED 3300 10.0.0.2:6379\r\n" : "-MOVED 3300 10.0.0.1:6379\r\n";
  };
  const auto result = call_one(get("b"));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(fault_of(*result), RedisFault::kMoved);
  EXPECT_EQ(client_->figures().commands, RedisClient::kRoundsMost);
}

TEST_F(RedisFleetTest, nonsense_redirections_are_the_answer) {
  start_two();
  answer_ = [](int, const Words&) -> std::optional<std::string> {
    return "-MOVED 3300 /etc/passwd:1\r\n";
  };
  EXPECT_EQ(fault_of(*call_one(get("b"))), RedisFault::kMoved);
  EXPECT_EQ(client_->figures().commands, 1u);
}

TEST_F(RedisFleetTest, a_promoted_replica_is_a_new_epoch) {
  RedisClient& client = start_two();
  const uint64_t epoch = client.epoch();
  serve_node(3);
  share({3, 2});
  world_.net().close(*redis_listener_[1]);
  servers_[0]->peers.back()->reset();
  for (support::SimPeer* peer : servers_[0]->peers) {
    if (!peer->is_over()) peer->reset();
  }
  ASSERT_TRUE(run_until([&] { return !client.is_up(); }));
  EXPECT_FALSE(client.is_up_for("b"));
  EXPECT_TRUE(client.is_up_for("foo"));
  ASSERT_TRUE(run_until([&] { return client.is_up(); }));
  EXPECT_GT(client.epoch(), epoch);
  EXPECT_EQ(call_one(get("b"))->text, "b@3");
}

TEST_F(RedisFleetTest, the_node_without_slots_is_left_and_what_it_knew_may_be_lost) {
  const uint64_t epoch = start_two().epoch();
  slots_ = "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n" + bulk(host(2)) + ":6379\r\n";
  answer_ = [](int number, const Words&) -> std::optional<std::string> {
    if (number == 1) return "-MOVED 3300 10.0.0.2:6379\r\n";
    return std::nullopt;
  };
  EXPECT_EQ(call_one(get("b"))->text, "b@2");
  ASSERT_TRUE(run_until([&] {
    return std::ranges::all_of(servers_[0]->peers,
                               [](const support::SimPeer* peer) { return peer->is_over(); });
  }));
  EXPECT_TRUE(client_->is_up());
  EXPECT_GT(client_->epoch(), epoch);
}

TEST_F(RedisFleetTest, seeds_that_are_dead_are_passed_over_and_told_when_all_are) {
  RedisClient& client = start_cluster({at(7), at(1)});
  ASSERT_TRUE(run_for(seconds(5)));
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_EQ(log_.lines[0],
            "no node tells the slots of the cluster; the last one asked is 10.0.0.1:6379: "
            "connection refused; it is tried again");
  EXPECT_EQ(call_one(get("b")).error().code, ErrorCode::kIo);
  serve_node(1);
  share({1});
  ASSERT_TRUE(run_until([&] { return client.is_up(); }));
  EXPECT_EQ(call_one(get("b"))->text, "b@1");
}

TEST_F(RedisFleetTest, a_server_that_is_no_cluster_is_told) {
  serve(1).answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] != "CLUSTER") return std::nullopt;
    return "-ERR This instance has cluster support disabled\r\n";
  };
  start_cluster({at(1)});
  ASSERT_TRUE(run_for(seconds(2)));
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("cluster support disabled"), std::string::npos) << log_.lines[0];
}

TEST_F(RedisFleetTest, a_command_without_a_key_goes_to_some_node) {
  start_two();
  EXPECT_TRUE(call_one({.arguments = {"GET", "b"}, .key = {}, .script = {}}).has_value());
}

}  // namespace
}  // namespace sluice::store
