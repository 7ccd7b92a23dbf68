#include <sluice/control/redis_options.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

TEST(RedisOptions, every_setting_of_a_connection_arrives) {
  const config::RedisSettings settings{.kind = config::RedisKind::kSentinel,
                                       .addresses = {{.host = "s1", .port = 26379}, {.host = "s2"}},
                                       .master = "main",
                                       .database = 4,
                                       .username = "gate",
                                       .password = "one",
                                       .sentinel_password = "two",
                                       .tls = true,
                                       .tls_ca = "ca.pem",
                                       .tls_server_name = "redis.example"};
  const store::RedisOptions options = redis_options_of(settings, "PEM", 7);
  EXPECT_EQ(options.kind, store::RedisOptions::Kind::kSentinel);
  ASSERT_EQ(options.endpoints.size(), 2u);
  EXPECT_EQ(options.endpoints[0], (store::RedisEndpoint{.host = "s1", .port = 26379}));
  EXPECT_EQ(options.endpoints[1], (store::RedisEndpoint{.host = "s2", .port = 6379}));
  EXPECT_EQ(options.master, "main");
  EXPECT_EQ(options.database, 4u);
  EXPECT_EQ(options.username, "gate");
  EXPECT_EQ(options.password, "one");
  EXPECT_EQ(options.sentinel_password, "two");
  EXPECT_TRUE(options.tls);
  EXPECT_EQ(options.tls_ca_pem, "PEM");
  EXPECT_EQ(options.tls_server_name, "redis.example");
  EXPECT_EQ(options.seed, 7u);
}

TEST(RedisOptions, kinds_are_the_same) {
  const auto kind_of = [](config::RedisKind kind) {
    return redis_options_of({.kind = kind}, "", 1).kind;
  };
  EXPECT_EQ(kind_of(config::RedisKind::kStandalone), store::RedisOptions::Kind::kStandalone);
  EXPECT_EQ(kind_of(config::RedisKind::kCluster), store::RedisOptions::Kind::kCluster);
}

}  // namespace
}  // namespace sluice::control
