#include <sluice/store/redis_client.h>

#include "redis_world.h"

namespace sluice::store {
namespace {

using Kind = RedisReply::Kind;

class RedisClientTest : public RedisWorld {
 protected:
  int next_ = 0;  // The last server of a test that needs many.
};

TEST_F(RedisClientTest, it_greets_a_server_and_says_so_once) {
  serve(1);
  RedisClient& client =
      start({.endpoints = {at(1)}, .database = 3, .username = "gate", .password = "hush"});
  EXPECT_FALSE(client.is_up());
  EXPECT_EQ(client.epoch(), 0u);
  ASSERT_TRUE(run_until([&] { return client.is_up(); }));
  EXPECT_EQ(client.epoch(), 1u);
  const std::string& said = servers_[0]->peers[0]->received();
  EXPECT_TRUE(said.starts_with("*3\r\n$4\r\nAUTH\r\n$4\r\ngate\r\n$4\r\nhush\r\n")) << said;
  EXPECT_NE(said.find("SELECT\r\n$1\r\n3\r\n"), std::string::npos);
  EXPECT_NE(said.find("SETNAME\r\n$6\r\nsluice\r\n"), std::string::npos);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_EQ(log_.lines[0], "connected to 10.0.0.1:6379 as gate, database 3, run id aaaaaaaa");
}

TEST_F(RedisClientTest, commands_of_a_call_go_in_one_write_and_replies_keep_their_places) {
  FakeRedis& redis = serve(1);
  redis.answer = echo;
  start_up();
  redis.writes = 0;
  const Results results = call({get("a"), get("b"), get("c")});
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0]->text, "a");
  EXPECT_EQ(results[1]->text, "b");
  EXPECT_EQ(results[2]->text, "c");
  EXPECT_EQ(redis.writes, 1u);
  EXPECT_EQ(client_->figures().commands, 3u);
}

TEST_F(RedisClientTest, calls_that_overlap_get_their_own_replies) {
  FakeRedis& redis = serve(1);
  redis.answer = echo;
  start_up();
  std::vector<std::optional<Results>> results(50);
  for (size_t i = 0; i < results.size(); ++i) begin({get("k" + std::to_string(i))}, &results[i]);
  ASSERT_TRUE(run_until([&] { return results.back().has_value(); }));
  for (size_t i = 0; i < results.size(); ++i) {
    ASSERT_TRUE(results[i].has_value());
    EXPECT_EQ(results[i]->at(0)->text, "k" + std::to_string(i));
  }
}

TEST_F(RedisClientTest, an_empty_call_ends_at_once) {
  serve(1);
  start_up();
  EXPECT_TRUE(call({}).empty());
}

TEST_F(RedisClientTest, commands_wait_for_the_connection_that_is_being_made) {
  serve(1).answer = echo;
  start({.endpoints = {at(1)}});
  EXPECT_EQ(call_one(get("early"))->text, "early");
}

TEST_F(RedisClientTest, without_a_server_commands_fail_at_once_and_one_line_says_it) {
  RedisClient& client = start({.endpoints = {at(1)}});
  ASSERT_TRUE(run_until([&] { return !log_.lines.empty(); }));
  const MonoTime before = ring_.now();
  size_t failed_at_once = 0;
  for (int i = 0; i < 20; ++i) {
    const MonoTime begun = ring_.now();
    const auto result = call_one(get("a"));
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kIo);
    EXPECT_EQ(result.error().retry, Retry::kYes);
    if (ring_.now() == begun) ++failed_at_once;
    ASSERT_TRUE(run_for(seconds(1)));
  }
  EXPECT_GT(failed_at_once, 0u);
  EXPECT_GE(ring_.now() - before, seconds(20));
  EXPECT_EQ(log_.lines.size(), 1u);
  EXPECT_EQ(log_.lines[0], "cannot use 10.0.0.1:6379: connection refused; it is tried again");
  EXPECT_FALSE(client.is_up());
}

TEST_F(RedisClientTest, a_late_reply_is_dropped_and_the_next_one_is_right) {
  FakeRedis& redis = serve(1);
  redis.answer = [&](const Words& words) -> std::optional<std::string> {
    if (words[0] == "SLOW") return "";
    return echo(words);
  };
  start_up();
  const auto late = call_one({.arguments = {"SLOW"}, .key = {}, .script = {}}, milliseconds(50));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, ErrorCode::kUpstreamTimeout);
  EXPECT_EQ(late.error().retry, Retry::kNever);
  std::optional<Results> next;
  begin({get("next")}, &next);
  redis.answer = [](const Words&) -> std::optional<std::string> {
    return "+late\r\n" + bulk("next");
  };
  ASSERT_TRUE(run_until([&] { return next.has_value(); }));
  EXPECT_EQ(next->at(0)->text, "next");
  EXPECT_TRUE(client_->is_up());
  EXPECT_EQ(client_->figures().late, 1u);
  EXPECT_EQ(client_->epoch(), 1u);
  // What was overdue has come: the connection is not given up.
  redis.answer = echo;
  ASSERT_TRUE(run_for(seconds(3)));
  EXPECT_EQ(redis.peers.size(), 1u);
}

TEST_F(RedisClientTest, a_server_that_hangs_is_given_up_a_second_after_the_deadline) {
  FakeRedis& redis = serve(1);
  redis.answer = [&](const Words& words) -> std::optional<std::string> {
    if (words[0] == "GET") return "";
    return std::nullopt;
  };
  start_up();
  EXPECT_FALSE(call_one(get("a"), milliseconds(50)).has_value());
  EXPECT_TRUE(client_->is_up());
  ASSERT_TRUE(run_for(milliseconds(900)));
  EXPECT_TRUE(client_->is_up());
  ASSERT_TRUE(run_for(milliseconds(1500)));
  ASSERT_GE(log_.lines.size(), 2u);
  EXPECT_EQ(log_.lines[1], "lost 10.0.0.1:6379: it does not answer any more");
  EXPECT_EQ(redis.peers.size(), 2u);
}

TEST_F(RedisClientTest, what_was_not_sent_at_the_deadline_is_never_sent) {
  world_.net().make_black_hole(support::sim_address("10.0.0.1", 6379));
  start({.endpoints = {at(1)}});
  const auto result = call_one(get("a"), milliseconds(50));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kUpstreamTimeout);
  EXPECT_EQ(result.error().retry, Retry::kYes);
}

TEST_F(RedisClientTest, a_lost_connection_fails_its_commands_and_is_made_again) {
  FakeRedis& redis = serve(1);
  redis.answer = [&](const Words& words) -> std::optional<std::string> {
    if (words[0] == "GET") return "";
    return std::nullopt;
  };
  start_up();
  std::optional<Results> results;
  begin({get("a"), get("b")}, &results);
  ASSERT_TRUE(run_until([&] { return redis.commands.size() == 2; }));
  redis.peers[0]->reset();
  ASSERT_TRUE(run_until([&] { return results.has_value(); }));
  for (const auto& result : *results) {
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kIo);
    EXPECT_EQ(result.error().retry, Retry::kNever);
  }
  EXPECT_EQ(client_->figures().lost, 2u);
  EXPECT_FALSE(client_->is_up());
  redis.answer = echo;
  ASSERT_TRUE(run_until([&] { return client_->is_up(); }));
  EXPECT_EQ(call_one(get("c"))->text, "c");
  ASSERT_EQ(log_.lines.size(), 3u);
  EXPECT_EQ(log_.lines[1], "lost 10.0.0.1:6379: connection reset");
  EXPECT_TRUE(log_.lines[2].starts_with("back after ")) << log_.lines[2];
}

TEST_F(RedisClientTest, the_epoch_changes_with_the_process_and_with_the_history_only) {
  FakeRedis& redis = serve(1);
  RedisClient& client = start_up();
  const auto reconnect = [&] {
    redis.peers.back()->reset();
    EXPECT_TRUE(run_until([&] { return !client.is_up(); }));
    EXPECT_TRUE(run_until([&] { return client.is_up(); }));
  };
  reconnect();
  EXPECT_EQ(client.epoch(), 1u);
  redis.run_id = "bbbbbbbbbbbbbbbb";
  reconnect();
  EXPECT_EQ(client.epoch(), 2u);
  redis.replication_id = "r2";
  reconnect();
  EXPECT_EQ(client.epoch(), 3u);
  // A server that does not tell who it is may be another one each time.
  redis.answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] == "INFO" || words[0] == "ROLE") return "-NOPERM no\r\n";
    return std::nullopt;
  };
  reconnect();
  reconnect();
  EXPECT_EQ(client.epoch(), 5u);
}

TEST_F(RedisClientTest, garbage_ends_the_connection) {
  for (const char* garbage : {"HTTP/1.1 400 Bad Request\r\n\r\n", "*-7\r\n", "$abc\r\n", ":1x\r\n",
                              "+fine\r\n+and more\r\n", "*70000\r\n", "$-2\r\n"}) {
    SCOPED_TRACE(garbage);
    log_.lines.clear();
    servers_.clear();
    const int number = ++next_;
    FakeRedis& redis = serve(number);
    redis.answer = [&](const Words& words) -> std::optional<std::string> {
      if (words[0] == "GET") return garbage;
      return std::nullopt;
    };
    RedisClient& client = start({.endpoints = {at(number)}});
    ASSERT_TRUE(run_until([&] { return client.is_up(); }));
    const auto result = call_one(get("a"));
    ASSERT_TRUE(run_until([&] { return log_.lines.size() >= 2; }));
    EXPECT_TRUE(log_.lines[1].starts_with("lost ")) << log_.lines[1];
    EXPECT_TRUE(!result.has_value() || result->text == "fine");
    ASSERT_TRUE(end_now());
  }
}

TEST_F(RedisClientTest, a_reply_without_end_is_cut_off) {
  FakeRedis& redis = serve(1);
  redis.answer = [&](const Words& words) -> std::optional<std::string> {
    if (words[0] != "GET") return std::nullopt;
    return "$6000000\r\n" + std::string(5'000'000, 'x');
  };
  start_up();
  const auto result = call_one(get("a"), seconds(30));
  ASSERT_FALSE(result.has_value());
  ASSERT_GE(log_.lines.size(), 2u);
  EXPECT_EQ(log_.lines[1], "lost 10.0.0.1:6379: a reply is too long");
}

TEST_F(RedisClientTest, a_refused_password_is_told_once_and_never_shown) {
  FakeRedis& redis = serve(1);
  redis.answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] == "AUTH") return "-WRONGPASS invalid username-password pair\r\n";
    return "-NOAUTH Authentication required.\r\n";
  };
  start({.endpoints = {at(1)}, .password = "hush-hush"});
  ASSERT_TRUE(run_for(seconds(10)));
  EXPECT_GT(redis.peers.size(), 3u);
  EXPECT_LT(redis.peers.size(), 40u);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_EQ(log_.lines[0],
            "cannot use 10.0.0.1:6379: it refuses our user or password (WRONGPASS invalid "
            "username-password pair); check redis.username and redis.password; it is tried again");
}

TEST_F(RedisClientTest, a_replica_is_not_used_until_it_is_a_master) {
  FakeRedis& redis = serve(1);
  redis.role = "slave";
  redis.answer = echo;
  RedisClient& client = start({.endpoints = {at(1)}});
  ASSERT_TRUE(run_for(seconds(3)));
  EXPECT_FALSE(client.is_up());
  redis.role = "master";
  ASSERT_TRUE(run_until([&] { return client.is_up(); }));
}

TEST_F(RedisClientTest, a_master_that_became_a_replica_is_left) {
  FakeRedis& redis = serve(1);
  redis.answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] == "SET") return "-READONLY You can't write against a read only replica.\r\n";
    return std::nullopt;
  };
  start_up();
  redis.role = "slave";
  const auto result = call_one({.arguments = {"SET", "a", "1"}, .key = "a", .script = {}});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(fault_of(*result), RedisFault::kReadOnly);
  ASSERT_TRUE(run_until([&] { return !client_->is_up(); }));
  EXPECT_EQ(log_.lines.at(1), "lost 10.0.0.1:6379: it is a replica");
}

TEST_F(RedisClientTest, too_many_commands_are_refused) {
  FakeRedis& redis = serve(1);
  redis.answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] == "GET") return "";
    return std::nullopt;
  };
  start_up();
  std::vector<RedisCommand> commands(RedisClient::kCommandsMost + 1, get("a"));
  const Results results = call(std::move(commands), milliseconds(20));
  EXPECT_EQ(results.front().error().code, ErrorCode::kUpstreamTimeout);
  EXPECT_EQ(results.back().error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(results.back().error().retry, Retry::kYes);
}

TEST_F(RedisClientTest, the_end_ends_calls_that_wait) {
  FakeRedis& redis = serve(1);
  redis.answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] == "GET") return "";
    return std::nullopt;
  };
  start_up();
  std::optional<Results> results;
  begin({get("a")}, &results, seconds(60));
  ASSERT_TRUE(run_until([&] { return redis.commands.size() == 1; }));
  ASSERT_TRUE(end_now());
  ASSERT_TRUE(results.has_value());
  EXPECT_EQ(results->at(0).error().code, ErrorCode::kCancelled);
}

TEST_F(RedisClientTest, a_script_travels_once_and_again_after_a_flush) {
  FakeRedis& redis = serve(1);
  const std::string digest(40, 'd');
  bool is_known = false;
  redis.answer = [&](const Words& words) -> std::optional<std::string> {
    if (words[0] == "SCRIPT") {
      is_known = true;
      return bulk(digest);
    }
    if (words[0] == "EVAL") return ":1\r\n";
    if (words[0] != "EVALSHA") return std::nullopt;
    EXPECT_EQ(words.at(1), digest);
    return is_known ? ":2\r\n" : "-NOSCRIPT No matching script.\r\n";
  };
  start_up();
  const RedisCommand command = run_script("return 1", {"k"}, {"x"});
  EXPECT_EQ(call_one(command)->integer, 1);
  EXPECT_EQ(call_one(command)->integer, 2);
  is_known = false;
  EXPECT_EQ(call_one(command)->integer, 2);
  std::vector<std::string> names;
  for (const Words& words : redis.commands) names.push_back(words[0]);
  EXPECT_EQ(names, (std::vector<std::string>{"SCRIPT", "EVAL", "EVALSHA", "EVALSHA", "SCRIPT",
                                             "EVALSHA"}));
  EXPECT_EQ(redis.commands[2], (Words{"EVALSHA", digest, "1", "k", "x"}));
}

TEST_F(RedisClientTest, of_several_servers_the_one_that_is_a_master_is_used) {
  serve(2).role = "slave";
  serve(3).answer = echo;
  RedisClient& client = start({.endpoints = {at(1), at(2), at(3)}});
  ASSERT_TRUE(run_until([&] { return client.is_up(); }));
  EXPECT_EQ(call_one(get("a"))->text, "a");
}

}  // namespace
}  // namespace sluice::store
