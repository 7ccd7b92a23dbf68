// The section `auth`, and what it takes from files and says about URLs and databases.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

std::string with_key(std::string_view more) {
  return "listen: 127.0.0.1:0\nupstreams: [{name: up, url: 'http://a'}]\n"
         "models: [{name: m, routes: [{upstream: up}]}]\n"
         "keys: [{name: app, secret: 0123456789abcdef}]\n" +
         std::string(more);
}

std::string source(std::string_view fields) {
  return with_key("store: {path: /s.db}\nauth: {sources: [{type: file}, {" + std::string(fields) +
                  "}]}\n");
}

FakeEnvironment environment() {
  FakeEnvironment fake;
  fake.variables = {{"PW", "p4ssw0rd"}, {"TOKEN", "t0ken"}};
  fake.files["allow.lua"] = {"return true\n", false};
  return fake;
}

SourceSettings read(std::string_view fields) {
  const auto snapshot = loaded(source(fields), environment());
  EXPECT_TRUE(snapshot && snapshot->auth.sources.size() == 2) << fields;
  return snapshot && snapshot->auth.sources.size() == 2 ? snapshot->auth.sources[1]
                                                        : SourceSettings();
}

SourceSettings bare(SourceKind kind, std::string name) {
  SourceSettings settings;
  settings.kind = kind;
  settings.name = std::move(name);
  return settings;
}

TEST(SchemaChain, without_a_section_the_file_is_asked_and_then_the_store) {
  auto snapshot = loaded(with_key(""));
  EXPECT_EQ(snapshot->auth.sources, std::vector{bare(SourceKind::kFile, "file")});
  snapshot = loaded(with_key("auth: {wait_max: 1s}\nstore: {path: /s.db}\n"));
  EXPECT_EQ(snapshot->auth.sources,
            (std::vector{bare(SourceKind::kFile, "file"), bare(SourceKind::kSqlite, "sqlite")}));
  EXPECT_EQ(snapshot->store, StoreSettings{"/s.db"});
}

TEST(SchemaChain, fields_of_the_chain_arrive_as_written) {
  const auto snapshot = loaded(with_key(
      "auth: {mode: all, wait_max: 500ms, cache_entries: 2048, lookups_per_address: 7}\n"));
  EXPECT_EQ(snapshot->auth.mode, AuthMode::kAll);
  EXPECT_EQ(snapshot->auth.wait_max, milliseconds(500));
  EXPECT_EQ(snapshot->auth.cache_entries, 2048u);
  EXPECT_EQ(snapshot->auth.lookups_per_address, 7u);
}

TEST(SchemaChain, a_redis_source_has_a_connection_of_its_own) {
  SourceSettings expected = bare(SourceKind::kRedis, "eu");
  expected.on_error = SourceLoss::kAllowCached;
  expected.timeout = milliseconds(100);
  expected.ttl = seconds(5);
  expected.negative_ttl = Duration::zero();
  expected.stale_max = seconds(60);
  expected.redis =
      RedisSettings{.addresses = {{"r", 1}}, .database = 3, .password = "p4ssw0rd", .tls = true};
  expected.pattern = "k:{api_key}";
  EXPECT_EQ(read("type: redis, name: eu, on_error: allow_cached, timeout: 100ms, ttl: 5s,\n"
                 "negative_ttl: off, stale_max: 1m, pattern: 'k:{api_key}',\n"
                 "redis: {url: 'rediss://r:1/3', password: env://PW}"),
            expected);
}

TEST(SchemaChain, a_database_source) {
  SourceSettings expected = bare(SourceKind::kDatabase, "database");
  expected.sql = SqlSettings{.driver = SqlDriver::kMysql,
                             .host = "db",
                             .port = 3306,
                             .user = "u",
                             .password = "p4ssw0rd",
                             .database = "d",
                             .tls_ca = "/ca.pem",
                             .timeout = seconds(1)};
  expected.table = "s.keys";
  expected.key_column = "hash";
  expected.key_form = SecretForm::kPlain;
  expected.columns = {{"rpm", "requests_per_minute"}, {"name", "name"}};
  const std::string front =
      "type: database, table: s.keys, key_column: hash, key_form: plain,\n"
      "sql: {host: DB, user: u, password: env://PW, database: d, driver: mysql, timeout: 1s,\n"
      "  tls: {ca: /ca.pem}}, columns: ";
  EXPECT_EQ(read(front + "{rpm: requests_per_minute, name: name}"), expected);
  expected.columns = {{"name", "name"}, {"rpm", "rpm"}};
  EXPECT_EQ(read(front + "[name, rpm]"), expected);
}

TEST(SchemaChain, a_database_on_a_unix_socket_has_no_tls) {
  const SourceSettings settings = read(
      "type: database, table: t, key_column: c,\n"
      "sql: {driver: postgres, host: /run/postgresql, user: u, database: d, port: 5433}");
  ASSERT_TRUE(settings.sql);
  EXPECT_FALSE(settings.sql->tls);
  EXPECT_EQ(settings.sql->port, 5433);
  EXPECT_EQ(settings.key_form, SecretForm::kSha256);
}

TEST(SchemaChain, a_webhook_source) {
  SourceSettings expected = bare(SourceKind::kWebhook, "webhook");
  expected.url = "https://keys.example/check?v=1";
  expected.headers = {{"authorization", "t0ken"}, {"x-team", "a"}};
  expected.tls_ca = "/ca.pem";
  expected.key_form = SecretForm::kPlain;
  EXPECT_EQ(read("type: webhook, url: 'https://keys.example/check?v=1', key_form: plain,\n"
                 "headers: {Authorization: env://TOKEN, x-team: a}, tls: {ca: /ca.pem}"),
            expected);
}

TEST(SchemaChain, a_jwt_source) {
  SourceSettings expected = bare(SourceKind::kJwt, "jwt");
  expected.private_addresses = true;
  expected.issuer = "http://127.0.0.1:9/realm";
  expected.jwks_url = "https://login.example/keys";
  expected.audiences = {"a", "b"};
  expected.algorithms = {"EdDSA"};
  expected.leeway = Duration::zero();
  expected.claims = {{"realm.roles", "models"}};
  EXPECT_EQ(read("type: jwt, issuer: 'http://127.0.0.1:9/realm', private_addresses: true,\n"
                 "jwks_url: 'https://login.example/keys', audiences: [a, b], leeway: off,\n"
                 "algorithms: [EdDSA], claims: {realm.roles: models}"),
            expected);
}

TEST(SchemaChain, a_lua_source_brings_its_text) {
  SourceSettings expected = bare(SourceKind::kLua, "lua");
  expected.script = "allow.lua";
  expected.source = "return true\n";
  EXPECT_EQ(read("type: lua, script: allow.lua"), expected);
}

struct Bad {
  const char* fields;
  const char* sentence;
};

constexpr Bad kBadSources[] = {
    {"name: x", "auth.sources[1].type is missing; add a line `type:` with its value"},
    {"type: ldap",
     "auth.sources[1].type must be one of: file, sqlite, redis, database, webhook, jwt, lua; "
     "write one of them"},
    {"type: file",
     "auth.sources[1] has a `type` that can stand there once only; remove one of the two"},
    {"type: sqlite, name: file",
     "auth.sources[1] has the name `file` of the source in line 6; give each source a `name` of "
     "its own"},
    {"type: sqlite, ttl: 5s", "auth.sources[1].ttl has no effect with `type: sqlite`; remove it"},
    {"type: lua, script: allow.lua, timeout: 1s",
     "auth.sources[1].timeout has no effect with `type: lua`; remove it"},
    {"type: lua",
     "auth.sources[1].script is missing: `type: lua` needs it; add a line `script:` with its "
     "value"},
    {"type: lua, script: none.lua",
     "auth.sources[1].script names the file none.lua, which cannot be read: No such file or "
     "directory; create the file, let this user read it, or remove the key"},
    {"type: redis",
     "auth.sources[1].redis is missing: `type: redis` needs it; add a line `redis:` with its "
     "value"},
    {"type: redis, redis: {}",
     "auth.sources[1].redis must have one of `url`, `sentinels` and `cluster`; add the one that "
     "leads to the server"},
    {"type: redis, redis: {url: 'redis://h', gateways: 2}",
     "auth.sources[1].redis has an unknown key `gateways`; the keys here are: url, sentinels, "
     "master, cluster, username, password, sentinel_password, database, tls"},
    {"type: redis, redis: {url: 'redis://h'}, pattern: all",
     "auth.sources[1].pattern must be at most 512 bytes with `{sha256}` or `{api_key}` in them; "
     "write it as sluice:key:{sha256}"},
    {"type: redis, redis: {url: 'redis://h'}, stale_max: 1h",
     "auth.sources[1].stale_max has no effect with `on_error: deny`; remove it, or "
     "allow_cached"},
    {"type: redis, redis: {url: 'redis://h'}, ttl: 10ms",
     "auth.sources[1].ttl must be 1s or more; write a longer time"},
    {"type: webhook",
     "auth.sources[1].url is missing: `type: webhook` needs it; add a line `url:` with its "
     "value"},
    {"type: webhook, url: 'http://keys.example/'",
     "auth.sources[1].url must be https: what is sent there, and what comes back, is trusted; "
     "write https://, or `private_addresses: true` beside it for a server that is near"},
    {"type: webhook, url: 'https://10.0.0.1/'",
     "auth.sources[1].url has an address of a private network; write `private_addresses: true` "
     "beside it if that is meant"},
    {"type: webhook, url: 'http://169.254.169.254/', private_addresses: true",
     "auth.sources[1].url has a link-local address, where clouds keep their metadata; write the "
     "server's routable address"},
    {"type: webhook, url: 'https://h/', headers: {content-length: 1}",
     "auth.sources[1].headers names `content-length`, which belongs to one connection only; "
     "remove it; Sluice writes what is needed"},
    {"type: webhook, url: 'https://h/', headers: {x-a: 1, X-A: 2}",
     "auth.sources[1].headers sets `x-a` twice; set each header once"},
    {"type: webhook, url: 'https://h/', tls: {}",
     "auth.sources[1].tls.ca is missing; add a line `ca:` with its value"},
    {"type: jwt, issuer: 'https://h'",
     "auth.sources[1].audiences is missing: `type: jwt` needs it; add a line `audiences:` with "
     "its value"},
    {"type: jwt, issuer: 'https://h', audiences: []",
     "auth.sources[1].audiences is an empty list; add an item, or remove the key"},
    {"type: jwt, issuer: 'https://h', audiences: [a], algorithms: [HS256]",
     "auth.sources[1].algorithms[0] must be one of: RS256, ES256, EdDSA; write one of them"},
    {"type: jwt, issuer: 'https://h', audiences: [a], algorithms: [ES256, ES256]",
     "auth.sources[1].algorithms[1] repeats an algorithm; name each one once"},
    {"type: database, sql: {driver: postgres, host: h, user: u, database: d}, table: 'a;b', "
     "key_column: c",
     "auth.sources[1].table must be letters, digits and '_', at most 63, not a digit first; "
     "write it as api_keys or gateway.api_keys"},
    {"type: database, sql: {driver: postgres, host: h, user: u, database: d}, table: t",
     "auth.sources[1].key_column is missing: `type: database` needs it; add a line "
     "`key_column:` with its value"},
    {"type: database, sql: {driver: postgres, host: h, user: u, database: d}, table: t, "
     "key_column: c, columns: {'a b': name}",
     "auth.sources[1].columns.a b must be letters, digits and '_', at most 63, not a digit "
     "first; write it as api_key_hash"},
    {"type: database, sql: {driver: oracle, host: h, user: u, database: d}, table: t, "
     "key_column: c",
     "auth.sources[1].sql.driver must be one of: postgres, mysql; write one of them"},
    {"type: database, sql: {driver: mysql, host: 'a b', user: u, database: d}, table: t, "
     "key_column: c",
     "auth.sources[1].sql.host must be a host name, a numeric address or the path of a UNIX "
     "socket; write it as db.internal or /run/postgresql"},
    {"type: database, sql: {driver: mysql, host: /run/m, user: u, database: d, tls: on}, "
     "table: t, key_column: c",
     "auth.sources[1].sql.tls has no effect on a UNIX socket; remove it"},
};

TEST(SchemaChain, bad_sources_are_refused_in_these_words) {
  for (const Bad& bad : kBadSources) {
    const std::string errors = errors_of(source(bad.fields), environment());
    EXPECT_EQ(errors, "x.yaml:6: " + std::string(bad.sentence) + "\n") << bad.fields;
  }
}

TEST(SchemaChain, bad_chains_are_refused_in_these_words) {
  constexpr Bad kBad[] = {
      {"{mode: any}", "auth.mode must be one of: first_match, all; write one of them"},
      {"{sources: []}", "auth.sources is an empty list; add an item, or remove the key"},
      {"{sources: [{type: file}, {type: sqlite}]}",
       "auth.sources[1] needs a `store`; add a section `store` with the `path` of its file"},
      {"{cache_entries: 1}",
       "auth.cache_entries must be 1024 or more; write a whole number such "
       "as 1024"},
      {"{wait_max: 2h}", "auth.wait_max must be 1m or less; write a shorter time"},
      {"{lookups_per_address: 0}",
       "auth.lookups_per_address must be 1 or more; write a whole number such as 1"},
  };
  for (const Bad& bad : kBad) {
    EXPECT_EQ(errors_of(with_key("auth: " + std::string(bad.fields) + "\n")),
              "x.yaml:5: " + std::string(bad.sentence) + "\n")
        << bad.fields;
  }
}

TEST(SchemaChain, keys_that_nobody_asks_for_are_refused) {
  EXPECT_EQ(errors_of(with_key("store: {path: /s.db}\nauth: {sources: [{type: sqlite}]}\n")),
            "x.yaml:4: keys has no effect: auth.sources has no `file`; add `- type: file` to "
            "auth.sources, or remove them\n");
}

TEST(SchemaChain, d002_keys_are_needed_unless_another_source_can_know_them) {
  const std::string front =
      "listen: 0.0.0.0:0\nupstreams: [{name: up, url: 'http://a'}]\n"
      "models: [{name: m, routes: [{upstream: up}]}]\n";
  const auto refuses = [&](std::string_view more) {
    return holds(errors_of(front + std::string(more), environment()), "keys is missing");
  };
  EXPECT_TRUE(refuses(""));
  EXPECT_TRUE(refuses("auth: {mode: all}\n"));
  EXPECT_TRUE(refuses("auth: {sources: [{type: lua, script: allow.lua}]}\n"));
  EXPECT_FALSE(refuses("store: {path: /s.db}\n"));
  EXPECT_FALSE(refuses("auth: {sources: [{type: webhook, url: 'https://h/'}]}\n"));
  EXPECT_FALSE(refuses("auth: {sources: [{type: redis, redis: {url: 'redis://h'}}]}\n"));
}

TEST(SchemaChain, no_diagnostic_repeats_a_secret) {
  FakeEnvironment fake = environment();
  fake.variables["BAD"] = "canary\n";
  for (const char* fields :
       {"type: webhook, url: 'https://h/', headers: {x-a: env://BAD}",
        "type: webhook, url: 'https://canary:pw@h/'",
        "type: database, sql: {driver: mysql, host: h, user: env://BAD, database: d}, table: t, "
        "key_column: c"}) {
    const std::string errors = errors_of(source(fields), fake);
    EXPECT_NE(errors, "") << fields;
    EXPECT_FALSE(holds(errors, "canary")) << errors;
  }
}

}  // namespace
}  // namespace sluice::config
