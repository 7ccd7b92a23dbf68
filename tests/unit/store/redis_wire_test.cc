#include "redis_wire.h"

#include "redis_world.h"

namespace sluice::store {
namespace {

class RedisWireTest : public RedisWorld {
 protected:
  // What is logged when the greeting's command `name` is answered by `reply`.
  std::string told(const std::string& name, const std::string& reply, RedisOptions options) {
    const int number = ++last_;
    FakeRedis& redis = serve(number);
    redis.answer = [name, reply](const Words& words) -> std::optional<std::string> {
      if (words[0] == name) return reply;
      return std::nullopt;
    };
    options.endpoints = {at(number)};
    log_.lines.clear();
    start(std::move(options));
    EXPECT_TRUE(run_for(milliseconds(500)));
    EXPECT_TRUE(end_now());
    EXPECT_EQ(log_.lines.size(), 1u);
    std::string line = log_.lines.empty() ? "" : log_.lines[0];
    const std::string address = host(number) + ":6379";
    if (const size_t place = line.find(address); place != std::string::npos) {
      line.replace(place, address.size(), "X");
    }
    return line;
  }
  int last_ = 0;
};

TEST_F(RedisWireTest, endpoints_are_written_as_people_do) {
  EXPECT_EQ(to_text({.host = "redis.example", .port = 1}), "redis.example:1");
  EXPECT_EQ(to_text({.host = "::1", .port = 2}), "[::1]:2");
  EXPECT_EQ(to_text({.host = "/run/redis.sock", .port = 3}), "/run/redis.sock");
}

TEST_F(RedisWireTest, each_refusal_of_a_greeting_says_what_helps) {
  const RedisOptions plain;
  EXPECT_EQ(told("PING", "-NOAUTH Authentication required.\r\n", plain),
            "cannot use X: it refuses to work (NOAUTH Authentication required.); it wants a "
            "password: set redis.password; it is tried again");
  EXPECT_EQ(told("PING", "-LOADING Redis is loading\r\n", plain),
            "cannot use X: it refuses to work (LOADING Redis is loading); it still reads its data "
            "from the disk; it is tried again");
  EXPECT_EQ(told("PING", "-DENIED Redis is running in protected mode\r\n", plain),
            "cannot use X: it refuses to work (DENIED Redis is running in protected mode); it is "
            "in protected mode: give it a password or bind it to an address; it is tried again");
  EXPECT_EQ(told("SELECT", "-ERR DB index is out of range\r\n", {.database = 99}),
            "cannot use X: it refuses our database (ERR DB index is out of range); it is tried "
            "again");
  EXPECT_EQ(told("AUTH", "-ERR AUTH called without any password\r\n", {.password = "p"}),
            "cannot use X: it refuses our user or password (ERR AUTH called without any password); "
            "it is tried again");
}

TEST_F(RedisWireTest, a_user_with_few_rights_is_enough) {
  for (const char* name : {"CLIENT", "PING", "ROLE", "INFO"}) {
    EXPECT_TRUE(told(name, "-NOPERM this user has no permissions\r\n", {}).starts_with("connected"))
        << name;
  }
  EXPECT_TRUE(told("PING", "-MISCONF Errors writing\r\n", {}).starts_with("connected"));
}

TEST_F(RedisWireTest, without_role_the_history_tells_that_it_is_a_replica) {
  FakeRedis& redis = serve(1);
  redis.role = "slave";
  redis.answer = [](const Words& words) -> std::optional<std::string> {
    if (words[0] == "ROLE") return "-NOPERM no\r\n";
    return std::nullopt;
  };
  start({.endpoints = {at(1)}});
  ASSERT_TRUE(run_for(seconds(1)));
  EXPECT_EQ(log_.lines.at(0),
            "cannot use 10.0.0.1:6379: it is a replica, not a master; it is tried again");
}

TEST_F(RedisWireTest, a_greeting_without_answer_ends_in_time_and_with_the_client) {
  FakeRedis& redis = serve(1);
  redis.answer = [](const Words&) -> std::optional<std::string> { return ""; };
  start({.endpoints = {at(1)}});
  ASSERT_TRUE(run_for(RedisClient::kConnectTime - milliseconds(10)));
  EXPECT_TRUE(log_.lines.empty());
  ASSERT_TRUE(run_for(milliseconds(20)));
  EXPECT_EQ(log_.lines.at(0), "cannot use 10.0.0.1:6379: it does not answer; it is tried again");
  ASSERT_TRUE(run_until([&] { return redis.peers.size() == 2; }));
  const MonoTime before = ring_.now();
  EXPECT_TRUE(end_now());
  EXPECT_LE(ring_.now() - before, milliseconds(1));
}

TEST_F(RedisWireTest, the_end_comes_during_a_dial_too) {
  world_.net().make_black_hole(support::sim_address("10.0.0.1", 6379));
  start({.endpoints = {at(1)}});
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_TRUE(end_now());
}

TEST_F(RedisWireTest, what_cannot_be_dialled_is_told) {
  start({.endpoints = {{.host = "no-such-name"}}});
  ASSERT_TRUE(run_for(seconds(1)));
  ASSERT_TRUE(end_now());
  start({.endpoints = {{.host = "169.254.169.254"}}});
  ASSERT_TRUE(run_for(seconds(1)));
  ASSERT_TRUE(end_now());
  start({.endpoints = {{.host = "/" + std::string(200, 'x')}}});
  ASSERT_TRUE(run_for(seconds(1)));
  ASSERT_EQ(log_.lines.size(), 3u);
  EXPECT_EQ(log_.lines[0],
            "cannot use no-such-name:6379: its name is not known; it is tried again");
  EXPECT_EQ(log_.lines[1],
            "cannot use 169.254.169.254:6379: its address may not be dialled; it is tried again");
  EXPECT_NE(log_.lines[2].find("its socket's path is too long"), std::string::npos);
}

}  // namespace
}  // namespace sluice::store
