#include "sentinel_finder.h"

#include "redis_world.h"

namespace sluice::store {
namespace {

class RedisSentinelTest : public RedisWorld {
 protected:
  FakeRedis& serve_sentinel(int number) {
    FakeRedis& sentinel = serve(number);
    sentinel.answer = [this](const Words& words) -> std::optional<std::string> {
      if (words[0] != "SENTINEL") return std::nullopt;
      EXPECT_EQ(words, (Words{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"}));
      if (master_ == 0) return "*-1\r\n";
      return "*2\r\n" + bulk(host(master_)) + bulk("6379");
    };
    return sentinel;
  }
  RedisOptions options() {
    return {.kind = RedisOptions::Kind::kSentinel, .endpoints = {at(11), at(12)}, .master = "main"};
  }
  int master_ = 1;
};

TEST_F(RedisSentinelTest, a_failover_is_followed) {
  FakeRedis& old = serve(1);
  old.answer = echo;
  serve_sentinel(12);  // 11 is dead.
  RedisClient& client = start(options());
  ASSERT_TRUE(run_until([&] { return client.is_up(); }));
  EXPECT_EQ(client.epoch(), 1u);
  FakeRedis& promoted = serve(2);
  promoted.run_id = "bbbbbbbb";
  promoted.answer = echo;
  promoted.role = "slave";
  master_ = 2;
  old.peers.back()->reset();
  ASSERT_TRUE(run_until([&] { return !client.is_up(); }));
  ASSERT_TRUE(run_for(seconds(1)));
  EXPECT_FALSE(client.is_up());  // Sentinel says so, but it is none yet.
  promoted.role = "master";
  ASSERT_TRUE(run_until([&] { return client.is_up(); }));
  EXPECT_EQ(client.epoch(), 2u);
  EXPECT_EQ(call_one(get("a"))->text, "a");
  EXPECT_EQ(promoted.commands.size(), 1u);
}

TEST_F(RedisSentinelTest, an_unknown_master_is_a_fault_of_configuration) {
  serve_sentinel(11);
  serve_sentinel(12);
  master_ = 0;
  start(options());
  ASSERT_TRUE(run_for(seconds(5)));
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_EQ(log_.lines[0],
            "cannot use master `main`: Sentinel 10.0.0.12:6379 knows no master `main`; check "
            "redis.master; it is tried again");
}

TEST_F(RedisSentinelTest, a_master_that_is_not_named_any_more_is_left_though_it_answers) {
  FakeRedis& old = serve(1);
  old.answer = echo;
  FakeRedis& promoted = serve(2);
  promoted.run_id = "bbbbbbbb";
  promoted.answer = echo;
  serve_sentinel(11);
  RedisClient& client = start(options());
  ASSERT_TRUE(run_until([&] { return client.is_up(); }));
  ASSERT_TRUE(run_for(seconds(5)));
  EXPECT_EQ(old.peers.size(), 1u);
  master_ = 2;
  ASSERT_TRUE(run_until([&] { return client.epoch() == 2; }));
  EXPECT_EQ(call_one(get("a"))->text, "a");
  EXPECT_EQ(promoted.commands.size(), 1u);
  ASSERT_EQ(log_.lines.size(), 3u);
  EXPECT_EQ(log_.lines[1], "lost 10.0.0.1:6379: Sentinel names another master");
}

TEST_F(RedisSentinelTest, the_sentinel_that_knew_is_asked_first) {
  serve(1);
  FakeRedis& ignorant = serve(11);
  ignorant.answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] != "SENTINEL") return std::nullopt;
    return "*-1\r\n";
  };
  FakeRedis& knowing = serve_sentinel(12);
  RedisClient& client = start(options());
  ASSERT_TRUE(run_until([&] { return client.is_up(); }));
  ASSERT_TRUE(run_for(seconds(10)));
  EXPECT_EQ(ignorant.commands.size(), 1u);
  EXPECT_GT(knowing.commands.size(), 5u);
}

TEST_F(RedisSentinelTest, an_address_that_is_none_is_not_dialled) {
  serve(11).answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] != "SENTINEL") return std::nullopt;
    return "*2\r\n" + bulk("/etc/passwd") + bulk("0");
  };
  RedisOptions wrong = options();
  wrong.endpoints = {at(11)};
  start(wrong);
  ASSERT_TRUE(run_for(seconds(2)));
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("knows no master"), std::string::npos);
}

}  // namespace
}  // namespace sluice::store
