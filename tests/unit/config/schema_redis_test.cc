// The sections `redis` and `journal`, and what changes with a restart only.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

std::string redis(std::string_view fields) {
  return with_one_model("redis: {gateways: 2, " + std::string(fields) + "}\n");
}

TEST(SchemaRedis, a_url_and_defaults) {
  EXPECT_FALSE(loaded(with_one_model(""))->redis);
  const auto snapshot = loaded(redis("url: 'redis://Redis.internal'"));
  ASSERT_TRUE(snapshot && snapshot->redis);
  RedisSettings expected;
  expected.addresses = {{"redis.internal", 6379}};
  expected.gateways = 2;
  EXPECT_EQ(*snapshot->redis, expected);
}

TEST(SchemaRedis, every_field_arrives_as_written) {
  FakeEnvironment fake;
  fake.variables = {{"PW", "p@ss"}, {"URL", "redis://user:p%40ss@10.0.0.7:7000/3"}};
  fake.files["/s"] = {"sentinel-secret\n", false};
  auto snapshot = loaded(
      redis("sentinels: [s1:1, 's2', '[fd00::1]:3'], master: m1, username: u, password: env://PW,\n"
            "  sentinel_password: file:///s, database: 4, namespace: x, wait_max: 1s, tick: 5ms,\n"
            "  tls: {ca: /ca.pem, server_name: R.example}"),
      fake);
  ASSERT_TRUE(snapshot && snapshot->redis);
  EXPECT_EQ(*snapshot->redis,
            (RedisSettings{.kind = RedisKind::kSentinel,
                           .addresses = {{"s1", 1}, {"s2", 26379}, {"fd00::1", 3}},
                           .master = "m1",
                           .database = 4,
                           .username = "u",
                           .password = "p@ss",
                           .sentinel_password = "sentinel-secret",
                           .tls = true,
                           .tls_ca = "/ca.pem",
                           .tls_server_name = "r.example",
                           .space = "x",
                           .wait_max = seconds(1),
                           .tick = milliseconds(5),
                           .gateways = 2}));
  snapshot = loaded(redis("cluster: [a, 'b:1'], tls: true"));
  ASSERT_TRUE(snapshot && snapshot->redis);
  EXPECT_EQ(snapshot->redis->kind, RedisKind::kCluster);
  EXPECT_TRUE(snapshot->redis->tls);
  snapshot = loaded(redis("url: env://URL"), fake);
  ASSERT_TRUE(snapshot && snapshot->redis);
  EXPECT_EQ(snapshot->redis->username, "user");
  EXPECT_EQ(snapshot->redis->password, "p@ss");
  EXPECT_EQ(snapshot->redis->database, 3u);
}

TEST(SchemaRedis, there_is_one_way_to_it) {
  const char* one = "must have one of `url`, `sentinels` and `cluster`";
  EXPECT_TRUE(holds(errors_of(redis("tick: 5ms")), one));
  EXPECT_TRUE(holds(errors_of(redis("url: 'redis://h', cluster: [h]")), one));
  EXPECT_TRUE(holds(errors_of(redis("url: 'redis://h/5', cluster: [h]")), one));
  EXPECT_TRUE(
      holds(errors_of(with_one_model("redis: {url: 'redis://h'}\n")), "redis.gateways is missing"));
  EXPECT_TRUE(holds(errors_of(redis("sentinels: [h]")), "redis.master is missing"));
  EXPECT_TRUE(holds(errors_of(redis("url: 'redis://h', master: m")),
                    "redis.master has no effect without `sentinels`"));
  EXPECT_TRUE(holds(errors_of(redis("cluster: [h], sentinel_password: x")),
                    "redis.sentinel_password has no effect without `sentinels`"));
  EXPECT_TRUE(holds(errors_of(redis("cluster: [h], database: 1")), "redis.database must be 0"));
  EXPECT_TRUE(holds(errors_of(redis("cluster: [h, h]")), "redis.cluster[1] repeats an address"));
  EXPECT_TRUE(holds(errors_of(redis("cluster: ['h:0']")), "redis.cluster[0] must be host:port"));
}

TEST(SchemaRedis, nothing_stands_twice) {
  FakeEnvironment fake;
  fake.variables = {{"PW", "secret"}};
  const std::string url = "url: 'redis://u:${PW}@h/1'";
  for (const char* field : {"username: v", "password: w", "database: 2"}) {
    EXPECT_TRUE(holds(errors_of(redis(url + ", " + field), fake), "stands in `url` too")) << field;
  }
  EXPECT_TRUE(holds(errors_of(redis("url: 'rediss://h', tls: off")), "redis.tls is off, but"));
  EXPECT_TRUE(holds(errors_of(redis("url: 'unix:///s', tls: on")), "redis.tls has no effect"));
}

TEST(SchemaRedis, a_password_in_the_url_comes_from_a_variable) {
  FakeEnvironment fake;
  fake.variables = {{"PW", "canary"}, {"URL", "redis://:canary@h"}, {"BAD", "canary@@:"}};
  EXPECT_EQ(loaded(redis("url: 'redis://:${PW}@h'"), fake)->redis->password, "canary");
  EXPECT_EQ(loaded(redis("url: '${URL}'"), fake)->redis->password, "canary");
  const std::string errors = errors_of(redis("url: 'redis://:canary@h'"), fake);
  EXPECT_TRUE(holds(errors,
                    "redis.url has its password in the file; write it as ${NAME}, or "
                    "below `password` as env://NAME or file:///path"));
  EXPECT_FALSE(holds(errors, "canary"));
  EXPECT_FALSE(holds(errors_of(redis("url: env://BAD"), fake), "canary"));
}

TEST(SchemaRedis, a_password_in_the_clear_is_warned_of) {
  const auto warns = [](std::string_view fields) {
    return holds(lines_of(load_text(redis(fields), "x.yaml", FakeEnvironment()).warnings),
                 "redis sends its password in the clear");
  };
  EXPECT_TRUE(warns("url: 'redis://h', password: 0123456789"));
  EXPECT_FALSE(warns("url: 'redis://h'"));
  EXPECT_FALSE(warns("url: 'redis://127.0.0.1', password: 0123456789"));
  EXPECT_FALSE(warns("url: 'unix:///s', password: 0123456789"));
  EXPECT_FALSE(warns("url: 'rediss://h', password: 0123456789"));
}

TEST(SchemaRedis, numbers_have_bounds) {
  for (const char* field :
       {"gateways: 0", "gateways: 65", "wait_max: 0", "wait_max: 2s", "tick: 4ms", "tick: 2s",
        "database: 65536", "namespace: 'a b'", "namespace: '{a}'", "master: 'a b'"}) {
    const std::string text =
        with_one_model("redis: {url: 'redis://h', " + std::string(field) + "}\n");
    EXPECT_TRUE(holds(errors_of(text), "must be")) << field;
  }
}

TEST(SchemaJournal, has_what_is_written_and_defaults_else) {
  EXPECT_FALSE(loaded(with_one_model(""))->journal);
  JournalSettings expected{.directory = "/j"};
  EXPECT_EQ(loaded(with_one_model("journal: {directory: /j}\n"))->journal, expected);
  EXPECT_EQ(loaded(with_one_model(
                       "journal: {directory: /j, flush: 10ms, sync: 10ms, segment_bytes: 1MiB}\n"))
                ->journal,
            (JournalSettings{"/j", milliseconds(10), milliseconds(10), 1u << 20}));
  EXPECT_TRUE(
      holds(errors_of(with_one_model("journal: {flush: 10ms}\n")), "journal.directory is missing"));
  EXPECT_TRUE(holds(errors_of(with_one_model("journal: {directory: j}\n")),
                    "journal.directory must be a full path; begin it with '/'"));
  EXPECT_TRUE(holds(errors_of(with_one_model("journal: {directory: /j, flush: 2s}\n")),
                    "journal has a `sync` that is shorter than its `flush`"));
  EXPECT_TRUE(holds(errors_of(with_one_model("journal: {directory: /j, segment_bytes: 2GiB}\n")),
                    "journal.segment_bytes must be 1GiB or less"));
}

TEST(SchemaOrigin, trusted_proxies_are_addresses_and_ranges) {
  const auto snapshot = loaded(with_one_model(
      "trusted_proxies: [10.0.0.0/8, '::1', 'fd00::/8', 192.0.2.7]\nproxy_protocol: true\n"));
  ASSERT_TRUE(snapshot);
  EXPECT_TRUE(snapshot->proxy_protocol);
  const std::vector<AddressRange>& ranges = snapshot->trusted_proxies;
  ASSERT_EQ(ranges.size(), 4u);
  EXPECT_EQ(ranges[0],
            (AddressRange{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0}, 104}));
  EXPECT_EQ(ranges[1].bits, 128);
  EXPECT_EQ(ranges[2], (AddressRange{{0xfd}, 8}));
  EXPECT_EQ(ranges[3].bits, 128);
  for (const char* bad :
       {"10.0.0.1/8", "10.0.0.0/33", "'::/129'", "'::1/64'", "h.example", "10.0.0.0/",
        "'::ffff:10.0.0.1'", "10.0.0.0/-1", "10.1", "127.1/8", "/8"}) {
    EXPECT_TRUE(holds(errors_of(with_one_model("trusted_proxies: [" + std::string(bad) + "]\n")),
                      "trusted_proxies[0] "))
        << bad;
  }
  EXPECT_TRUE(holds(errors_of(with_one_model("trusted_proxies: [10.0.0.7, 10.0.0.7/32]\n")),
                    "trusted_proxies[1] repeats a range"));
  EXPECT_TRUE(holds(
      lines_of(load_text(with_one_model("trusted_proxies: [0.0.0.0/0]\n"), "x", FakeEnvironment())
                   .warnings),
      "trusted_proxies[0] is everybody"));
}

TEST(SchemaLimitSizes, subjects_and_bank_file) {
  const auto snapshot = loaded(with_one_model("limits: {subjects_max: 1024, bank_file: /b}\n"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->limits.subjects_max, 1024u);
  EXPECT_EQ(snapshot->limits.bank_file, "/b");
  EXPECT_EQ(loaded(with_one_model("limits: {bank_file: off}\n"))->limits.bank_file, "");
  EXPECT_TRUE(
      holds(errors_of(with_one_model("limits: {subjects_max: 1023}\n")), "must be 1024 or more"));
  EXPECT_TRUE(holds(errors_of(with_one_model("limits: {bank_file: b}\n")), "must be a full path"));
}

TEST(NeedsRestart, names_what_of_limits_a_reload_cannot_change) {
  const auto before = loaded(with_one_model(""));
  const auto after = loaded(
      with_one_model("proxy_protocol: true\nredis: {url: 'redis://h', gateways: 1}\n"
                     "journal: {directory: /j}\nlimits: {subjects_max: 2048, bank_file: /b}\n"));
  ASSERT_TRUE(before && after);
  EXPECT_EQ(
      needs_restart(*before, *after),
      (std::vector<std::string>{"redis", "journal", "limits.subjects_max", "limits.bank_file"}));
  EXPECT_TRUE(needs_restart(*after, *after).empty());
  const auto hot =
      loaded(with_one_model("trusted_proxies: [10.0.0.7]\ntenants: [{name: t}]\n"
                            "rate_limits: [{name: r, per: ip, concurrency: 1}]\n"));
  ASSERT_TRUE(hot);
  EXPECT_TRUE(needs_restart(*before, *hot).empty());
}

}  // namespace
}  // namespace sluice::config
