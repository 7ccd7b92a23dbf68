#include "redis_url.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(RedisUrl, good_ones) {
  auto url = parse_redis_url("redis://h");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->address, (RedisAddress{"h", 6379}));
  EXPECT_FALSE(url->database || url->tls);
  url = parse_redis_url("rediss://us%65r:p%40%3a%2F@[FD00::1]:7/12");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->address, (RedisAddress{"fd00::1", 7}));
  EXPECT_EQ(url->username, "user");
  EXPECT_EQ(url->password, "p@:/");
  EXPECT_EQ(url->database, 12u);
  EXPECT_TRUE(url->tls);
  url = parse_redis_url("redis://:only@10.0.0.7/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->username, "");
  EXPECT_EQ(url->password, "only");
  EXPECT_FALSE(url->database);
  url = parse_redis_url("redis://u@h");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->username, "u");
  EXPECT_EQ(url->password, "");
  url = parse_redis_url("unix:///run/redis%20a.sock?db=3");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->address.host, "/run/redis a.sock");
  EXPECT_EQ(url->database, 3u);
  EXPECT_TRUE(parse_redis_url("unix:///run/redis.sock"));
}

TEST(RedisUrl, bad_ones_are_refused_and_not_repeated) {
  for (const char* bad : {"",
                          "redis",
                          "redis:",
                          "redis:/h",
                          "redis://",
                          "http://h",
                          "REDIS://h",
                          "redis://h:0",
                          "redis://h:99999",
                          "redis://h:",
                          "redis://h:x",
                          "redis://h/x",
                          "redis://h/-1",
                          "redis://h/65536",
                          "redis://h/1/2",
                          "redis://h/1?x=canary",
                          "redis://h?db=1",
                          "redis://::1",
                          "redis://[::1",
                          "redis://[h]",
                          "redis://127.1",
                          "redis://0.0.0.0",
                          "redis://u:%zz@h",
                          "redis://u:%4@h",
                          "redis://u:%@h",
                          "redis://u:%0a@h",
                          "redis://a b",
                          "unix://",
                          "unix://run/s",
                          "unix:///s?db=",
                          "unix:///s?db=x",
                          "unix:///s?canary",
                          "unix:///s%0A",
                          "redis://u:canary@",
                          "redis://[::1]x"}) {
    const auto url = parse_redis_url(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ((url.error().cause + url.error().remedy).find("canary"), std::string::npos) << bad;
  }
  EXPECT_FALSE(parse_redis_url("unix:///" + std::string(107, 's')));
  EXPECT_FALSE(parse_redis_url("redis://" + std::string(2048, 'h')));
}

TEST(RedisUrl, knows_a_password_that_is_spelled_out) {
  for (const char* raw : {"redis://:x@h", "redis://u:x@h", "redis://${U}:x@h", "redis://${U:a}:x@h",
                          "redis://u:x:y@h", "redis://u:a@b@h"}) {
    EXPECT_TRUE(spells_password(raw)) << raw;
  }
  for (const char* raw :
       {"redis://h", "redis://u@h", "redis://u:@h", "redis://u:${P}@h", "redis://${U:a}:${P:b}@h",
        "${URL}", "env://URL", "redis://${UP:a:b}@h", "@://:x"}) {
    EXPECT_FALSE(spells_password(raw)) << raw;
  }
}

TEST(RedisAddressText, host_and_port) {
  EXPECT_EQ(parse_redis_address("H", 5), (RedisAddress{"h", 5}));
  EXPECT_EQ(parse_redis_address("h:6", 5), (RedisAddress{"h", 6}));
  EXPECT_EQ(parse_redis_address("[::1]", 5), (RedisAddress{"::1", 5}));
  EXPECT_EQ(parse_redis_address("10.0.0.7:1", 5), (RedisAddress{"10.0.0.7", 1}));
  for (const char* bad :
       {"", ":1", "h:", "h:1:2", "[]", "[::1]1", "::1", "h h", "/s", "[10.0.0.7]"}) {
    EXPECT_FALSE(parse_redis_address(bad, 5)) << bad;
  }
}

}  // namespace
}  // namespace sluice::config
