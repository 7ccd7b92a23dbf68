// The sections `store`, `usage_log` and `scripts`.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

std::string usage_log(std::string_view fields) {
  return with_one_model("journal: {directory: /j}\nusage_log: {" + std::string(fields) + "}\n");
}

TEST(SchemaUsageLog, every_field_arrives_as_written) {
  FakeEnvironment fake;
  fake.variables["TOKEN"] = "t0ken";
  const auto snapshot = loaded(
      usage_log("path: /u.db, retention: 2h, bytes_max: 64MiB, reporters: [\n"
                "{type: webhook, name: a, timeout: 2s, batch_max: 7, interval: 3s,\n"
                " url: 'http://127.0.0.1:1/', private_addresses: on, headers: {x: env://TOKEN},\n"
                " tls: {ca: /ca.pem}},\n"
                "{type: database, table: t, sql: {driver: postgres, host: h, user: u, "
                "database: d}}]"),
      fake);
  UsageLogSettings expected{.path = "/u.db", .retention = seconds(7200), .bytes_max = 64u << 20};
  ReporterSettings webhook;
  webhook.name = "a";
  webhook.timeout = seconds(2);
  webhook.batch_max = 7;
  webhook.interval = seconds(3);
  webhook.url = "http://127.0.0.1:1/";
  webhook.private_addresses = true;
  webhook.headers = {{"x", "t0ken"}};
  webhook.tls_ca = "/ca.pem";
  ReporterSettings database;
  database.kind = ReporterSettings::Kind::kDatabase;
  database.name = "database";
  database.sql = SqlSettings{.host = "h", .user = "u", .database = "d"};
  database.table = "t";
  expected.reporters = {webhook, database};
  EXPECT_EQ(snapshot->usage_log, expected);
  EXPECT_FALSE(loaded(with_one_model(""))->usage_log);
  EXPECT_FALSE(loaded(with_one_model(""))->store);
}

TEST(SchemaUsageLog, bad_settings_are_refused_in_these_words) {
  struct Bad {
    const char* fields;
    const char* sentence;
  };
  constexpr Bad kBad[] = {
      {"retention: 1h", "usage_log.path is missing; add a line `path:` with its value"},
      {"path: u.db", "usage_log.path must be a full path; begin it with '/'"},
      {"path: /u, retention: 1m", "usage_log.retention must be 1h or more; write a longer time"},
      {"path: /u, reporters: [{type: webhook}]",
       "usage_log.reporters[0].url is missing: `type: webhook` needs it; add a line `url:` with "
       "its value"},
      {"path: /u, reporters: [{type: webhook, url: 'https://h/', table: t}]",
       "usage_log.reporters[0].table has no effect with `type: webhook`; remove it"},
      {"path: /u, reporters: [{type: database}]",
       "usage_log.reporters[0].sql is missing: `type: database` needs it; add a line `sql:` with "
       "its value"},
      {"path: /u, reporters: [{type: webhook, url: 'https://a/'}, {type: webhook, url: "
       "'https://b/'}]",
       "usage_log.reporters[1] has the name `webhook` of the reporter in line 6; give each "
       "reporter a `name` of its own"},
      {"path: /u, reporters: [{type: webhook, url: 'https://user:pw@b/'}]",
       "usage_log.reporters[0].url "},
  };
  for (const Bad& bad : kBad) {
    EXPECT_TRUE(
        errors_of(usage_log(bad.fields)).starts_with("x.yaml:6: " + std::string(bad.sentence)))
        << bad.fields << '\n'
        << errors_of(usage_log(bad.fields));
  }
  EXPECT_EQ(errors_of(with_one_model("usage_log: {path: /u}\n")),
            "x.yaml:5: usage_log needs a `journal`, from which it is written; add a section "
            "`journal` with its `directory`\n");
  EXPECT_EQ(errors_of(with_one_model(
                "journal: {directory: /j}\nstore: {path: /u}\nusage_log: {path: /u}\n")),
            "x.yaml:7: usage_log.path is the file of `store`; give each a file of its own\n");
  EXPECT_EQ(errors_of(with_one_model("store: {}\n")),
            "x.yaml:5: store.path is missing; add a line `path:` with its value\n");
}

TEST(SchemaScripts, every_field_arrives_as_written) {
  FakeEnvironment fake;
  fake.files["/a.lua"] = {"return 1", false};
  fake.files["b.lua"] = {"return 2", false};
  const auto snapshot =
      loaded(with_one_model(
                 "scripts: {on_auth: {file: /a.lua}, on_request: {file: b.lua, on_error: pass},\n"
                 "  instructions_max: 5k, time_max: 2ms, memory_max: 1MiB, may_route: on}\n"),
             fake);
  ScriptSettings expected;
  expected.on_auth = HookSettings{.script = "/a.lua", .source = "return 1"};
  expected.on_request =
      HookSettings{.script = "b.lua", .source = "return 2", .on_error = HookFailure::kPass};
  expected.instructions_max = 5000;
  expected.time_max = milliseconds(2);
  expected.memory_max = 1u << 20;
  expected.may_route = true;
  EXPECT_EQ(snapshot->scripts, expected);
}

TEST(SchemaScripts, bad_settings_are_refused_in_these_words) {
  EXPECT_EQ(errors_of(with_one_model("scripts: {on_auth: {file: /none.lua}}\n")),
            "x.yaml:5: scripts.on_auth.file names the file /none.lua, which cannot be read: No "
            "such file or directory; create the file, let this user read it, or remove the key\n");
  EXPECT_EQ(errors_of(with_one_model("scripts: {on_response: {on_error: pass}}\n")),
            "x.yaml:5: scripts.on_response.file is missing; add a line `file:` with its value\n"
            "x.yaml:5: scripts.on_response has an unknown key `on_error`; the keys here are: "
            "file\n");
  EXPECT_EQ(errors_of(with_one_model("scripts: {may_route: on}\n")),
            "x.yaml:5: scripts.may_route has no effect without `on_request`; remove it, or add "
            "the script\n");
  EXPECT_EQ(errors_of(with_one_model("scripts: {time_max: 5s}\n")),
            "x.yaml:5: scripts.time_max must be 1s or less; write a shorter time\n");
}

}  // namespace
}  // namespace sluice::config
