// The files that people read: configs/, docs/config.md, and the broken ones with their messages.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include <sluice/config/loader.h>
#include <sluice/config/yaml_tree.h>

#include "fake_environment.h"
#include "schema.h"

namespace sluice::config {
namespace {

const std::filesystem::path kRoot = SLUICE_SOURCE_ROOT;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> yaml_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  return paths;
}

// What the shipped files draw from outside.
FakeEnvironment shipped_environment() {
  FakeEnvironment fake;
  for (const char* name : {"LOCAL_KEY", "SLUICE_KEY", "RESEARCH_KEY", "FIRST_API_KEY",
                           "PROXY_AUTHORIZATION", "REDIS_PASSWORD"}) {
    fake.variables[name] = std::string("0123456789abcdef-") + name;
  }
  for (const char* name : {"chat-app", "search-prod", "search-trial", "second-api-key",
                           "spare-password", "provider-key", "proxy-password", "redis-password",
                           "sentinel-password", "db-password", "bootstrap-token"}) {
    const std::string path = std::string("/run/secrets/") + name;
    fake.files[path] = {"0123456789abcdef0123456789abcdef-" + std::string(name) + "\n", false};
  }
  fake.files["/etc/sluice/keys.yaml"] = {"keys: [{name: more, secret: 0123456789abcdef-more}]\n",
                                         false};
  for (const char* name : {"allow", "on_auth", "on_request", "on_response"}) {
    fake.files[std::string("/etc/sluice/") + name + ".lua"] = {"return nil\n", true};
  }
  const std::string examples = kRoot / "configs/examples/prices.json";
  fake.files[examples] = {text_of(examples), true};
  fake.files["/etc/sluice/prices.json"] = fake.files[examples];
  return fake;
}

// All keys of the tree as the schema spells them.
void collect_keys(const Node& node, const std::string& prefix, std::vector<std::string>& keys) {
  if (node.kind == NodeKind::kSequence) {
    for (const Node& item : node.children) collect_keys(item, prefix, keys);
  }
  if (node.kind != NodeKind::kMapping) return;
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    keys.push_back(prefix + node.children[i].text);
    collect_keys(node.children[i + 1], keys.back() + '.', keys);
  }
}

TEST(ShippedFiles, every_configuration_loads) {
  const auto paths = yaml_files(kRoot / "configs");
  EXPECT_GE(paths.size(), 5u);
  for (const auto& path : paths) {
    const LoadOutcome outcome = load_text(text_of(path), path, shipped_environment());
    EXPECT_TRUE(outcome.snapshot) << path;
    for (const Diagnostic& error : outcome.errors) ADD_FAILURE() << to_string(error);
  }
}

TEST(ShippedFiles, d084_only_minimal_runs_without_keys_and_only_on_loopback) {
  for (const auto& path : yaml_files(kRoot / "configs")) {
    const LoadOutcome outcome = load_text(text_of(path), path, shipped_environment());
    ASSERT_TRUE(outcome.snapshot) << path;
    const bool is_minimal = path.filename() == "minimal.yaml";
    EXPECT_EQ(outcome.snapshot->keys.empty(), is_minimal) << path;
    EXPECT_EQ(outcome.snapshot->development, is_minimal) << path;
    EXPECT_TRUE(!is_minimal || outcome.snapshot->listen.is_loopback());
  }
}

// No example switches off what guards it, so that there is one default of everything.
TEST(ShippedFiles, d043_every_example_guards_alike) {
  for (const auto& path : yaml_files(kRoot / "configs")) {
    const LoadOutcome outcome = load_text(text_of(path), path, shipped_environment());
    ASSERT_TRUE(outcome.snapshot) << path;
    const Snapshot& snapshot = *outcome.snapshot;
    EXPECT_TRUE(snapshot.usage_accounting && snapshot.access_log.enabled) << path;
    EXPECT_EQ(snapshot.limits.byte_budget, Limits().byte_budget) << path;
    for (const Upstream& upstream : snapshot.upstreams) {
      EXPECT_EQ(upstream.breaker.enabled, BreakerSettings().enabled) << path;
      EXPECT_TRUE(!upstream.tls || upstream.tls->verify) << path;
    }
    EXPECT_EQ(snapshot.auth.mode, AuthMode::kFirstMatch) << path;
    ASSERT_FALSE(snapshot.auth.sources.empty()) << path;
    EXPECT_EQ(snapshot.auth.sources[0].kind, SourceKind::kFile) << path;
  }
}

TEST(ShippedFiles, d040_full_yaml_has_every_key_with_a_comment) {
  const std::string text = text_of(kRoot / "configs/full.yaml");
  std::vector<Diagnostic> errors;
  const auto root = read_yaml(text, "full.yaml", errors);
  ASSERT_TRUE(root);
  std::vector<std::string> keys;
  collect_keys(*root, "", keys);
  // Of what excludes one another only one can stand there.
  for (const char* name : {"redis.yaml", "redis-cluster.yaml"}) {
    const auto example = read_yaml(text_of(kRoot / "configs/examples" / name), name, errors);
    ASSERT_TRUE(example);
    collect_keys(*example, "", keys);
  }
  for (const std::string& key : schema_keys()) {
    EXPECT_NE(std::ranges::find(keys, key), keys.end()) << key << " is not in configs/full.yaml";
  }
}

void expect_defaults_of_access(const Snapshot& shown) {
  EXPECT_EQ(shown.admin.mode, AdminSettings().mode);
  EXPECT_EQ(shown.admin.watch_config, AdminSettings().watch_config);
  EXPECT_EQ(shown.auth.mode, AuthSettings().mode);
  EXPECT_EQ(shown.auth.wait_max, AuthSettings().wait_max);
  EXPECT_EQ(shown.auth.cache_entries, AuthSettings().cache_entries);
  EXPECT_EQ(shown.auth.lookups_per_address, AuthSettings().lookups_per_address);
  ASSERT_EQ(shown.auth.sources.size(), 7u);
  const SourceSettings redis = shown.auth.sources[2];
  EXPECT_EQ(redis.on_error, SourceSettings().on_error);
  EXPECT_EQ(redis.timeout, SourceSettings().timeout);
  EXPECT_EQ(redis.ttl, SourceSettings().ttl);
  EXPECT_EQ(redis.negative_ttl, SourceSettings().negative_ttl);
  EXPECT_EQ(redis.pattern, SourceSettings().pattern);
  EXPECT_EQ(shown.auth.sources[3].key_form, SourceSettings().key_form);
  EXPECT_EQ(shown.auth.sources[3].sql->timeout, SqlSettings().timeout);
  EXPECT_EQ(shown.auth.sources[4].stale_max, SourceSettings().stale_max);
  EXPECT_EQ(shown.auth.sources[5].algorithms, SourceSettings().algorithms);
  EXPECT_EQ(shown.auth.sources[5].leeway, SourceSettings().leeway);
  ASSERT_TRUE(shown.usage_log && shown.scripts.on_auth);
  EXPECT_EQ(shown.usage_log->retention, UsageLogSettings().retention);
  EXPECT_EQ(shown.usage_log->bytes_max, UsageLogSettings().bytes_max);
  EXPECT_EQ(shown.usage_log->reporters[0].timeout, ReporterSettings().timeout);
  EXPECT_EQ(shown.usage_log->reporters[0].batch_max, ReporterSettings().batch_max);
  EXPECT_EQ(shown.usage_log->reporters[0].interval, ReporterSettings().interval);
  EXPECT_EQ(shown.usage_log->reporters[1].table, ReporterSettings().table);
  EXPECT_EQ(shown.scripts.on_auth->on_error, HookSettings().on_error);
  EXPECT_EQ(shown.scripts.instructions_max, ScriptSettings().instructions_max);
  EXPECT_EQ(shown.scripts.time_max, ScriptSettings().time_max);
  EXPECT_EQ(shown.scripts.memory_max, ScriptSettings().memory_max);
  EXPECT_EQ(shown.scripts.may_route, ScriptSettings().may_route);
}

TEST(ShippedFiles, d040_full_yaml_shows_the_defaults) {
  const auto full = load_text(text_of(kRoot / "configs/full.yaml"), "f", shipped_environment());
  const auto minimal =
      load_text(text_of(kRoot / "configs/minimal.yaml"), "m", shipped_environment());
  ASSERT_TRUE(full.snapshot && minimal.snapshot);
  const Snapshot& shown = *full.snapshot;
  const Snapshot& defaults = *minimal.snapshot;
  EXPECT_EQ(shown.listen_backlog, defaults.listen_backlog);
  EXPECT_EQ(shown.shards, defaults.shards);
  EXPECT_EQ(shown.drain_timeout, defaults.drain_timeout);
  EXPECT_EQ(shown.forward_headers, defaults.forward_headers);
  EXPECT_EQ(shown.limits, defaults.limits);
  EXPECT_EQ(shown.timeouts, defaults.timeouts);
  EXPECT_EQ(shown.upstreams[0].timeouts, defaults.upstreams[0].timeouts);
  EXPECT_EQ(shown.upstreams[0].pool, defaults.upstreams[0].pool);
  EXPECT_EQ(shown.timeout_header_max, defaults.timeout_header_max);
  EXPECT_EQ(shown.outliers, OutlierSettings());
  EXPECT_EQ(shown.upstreams[0].breaker, BreakerSettings());
  EXPECT_EQ(shown.upstreams[0].cooldown.after_429, CooldownSettings().after_429);
  EXPECT_EQ(shown.upstreams[0].cooldown.max, CooldownSettings().max);
  EXPECT_EQ(shown.upstreams[0].health, HealthCheck());
  EXPECT_EQ(shown.upstreams[0].slow_start, Upstream().slow_start);
  EXPECT_EQ(shown.upstreams[0].serves, Capabilities());
  EXPECT_EQ(shown.models[0].strategy, Model().strategy);
  EXPECT_EQ(shown.models[0].retries, RetrySettings());
  EXPECT_EQ(shown.models[0].queue, QueueSettings());
  EXPECT_EQ(shown.models[0].hedge, HedgeSettings());
  EXPECT_EQ(shown.models[0].recovery, RecoverySettings());
  EXPECT_EQ(shown.models[0].ping, Model().ping);
  EXPECT_EQ(shown.models[1].affinity, Affinity());
  EXPECT_EQ(shown.models[0].max_output_tokens, Model().max_output_tokens);
  EXPECT_EQ(shown.proxy_protocol, defaults.proxy_protocol);
  ASSERT_TRUE(shown.redis && shown.journal);
  EXPECT_EQ(shown.redis->space, RedisSettings().space);
  EXPECT_EQ(shown.redis->wait_max, RedisSettings().wait_max);
  EXPECT_EQ(shown.redis->tick, RedisSettings().tick);
  expect_defaults_of_access(shown);
  EXPECT_EQ(shown.journal->flush, JournalSettings().flush);
  EXPECT_EQ(shown.journal->sync, JournalSettings().sync);
  EXPECT_EQ(shown.journal->segment_bytes, JournalSettings().segment_bytes);
  ASSERT_TRUE(shown.tls && shown.upstreams[1].tls);
  EXPECT_EQ(shown.tls->version_min, ListenerTls().version_min);
  EXPECT_EQ(shown.tls->handshakes_per_second, ListenerTls().handshakes_per_second);
  EXPECT_EQ(shown.tls->handshake_timeout, ListenerTls().handshake_timeout);
  EXPECT_EQ(shown.tls->hsts, ListenerTls().hsts);
  CorsSettings cors = shown.cors;
  cors.enabled = false;
  cors.data_origins = cors.admin_origins = {};
  EXPECT_EQ(cors, CorsSettings());
  EXPECT_EQ(shown.upstreams[1].tls->verify, UpstreamTls().verify);
  EXPECT_EQ(shown.upstreams[1].tls->version_min, UpstreamTls().version_min);
}

TEST(ShippedFiles, d040_the_documentation_has_every_key) {
  std::string text = text_of(kRoot / "docs/config.md");
  // Lists are marked as "upstreams[].name" there.
  for (size_t at = text.find("[]"); at != std::string::npos; at = text.find("[]", at)) {
    text.erase(at, 2);
  }
  for (const std::string& key : schema_keys()) {
    const bool is_section = text.find('`' + key + '.') != std::string::npos;
    const bool is_key = text.find('`' + key + '`') != std::string::npos;
    EXPECT_TRUE(is_section || is_key) << key << " is not in docs/config.md";
  }
}

TEST(ShippedFiles, broken_configurations_give_the_messages_beside_them) {
  const auto paths = yaml_files(kRoot / "tests/unit/config/broken");
  EXPECT_GE(paths.size(), 10u);
  for (const auto& path : paths) {
    const std::string name = path.filename();
    const LoadOutcome outcome = load_text(text_of(path), name, FakeEnvironment());
    EXPECT_FALSE(outcome.snapshot) << path;
    std::string messages;
    for (const Diagnostic& error : outcome.errors) messages += to_string(error) + "\n";
    const auto expected = std::filesystem::path(path).replace_extension(".expected");
    EXPECT_EQ(messages, text_of(expected)) << path;
  }
}

}  // namespace
}  // namespace sluice::config
