#include <sluice/config/loader.h>

#include <gtest/gtest.h>

#include <sluice/crypto/digest.h>

#include "fake_environment.h"
#include "load.h"

namespace sluice::config {
namespace {

// A configuration with one of each kind; `extra` is added at the top level.
std::string with(std::string_view extra) {
  return "listen: 127.0.0.1:8080\n"
         "upstreams:\n  - {name: up, url: 'http://10.0.0.7:8000', private_addresses: true}\n"
         "models:\n  - {name: m, routes: [{upstream: up}]}\n"
         "keys:\n  - {name: k, secret: 0123456789abcdef}\n" +
         std::string(extra);
}

std::string with_key(std::string_view fields) {
  return "listen: 0.0.0.0:80\nupstreams: [{name: up, url: 'http://a'}]\n"
         "models: [{name: m, routes: [{upstream: up}]}, {name: n, routes: [{upstream: up}]}]\n"
         "keys:\n  - name: k\n" +
         std::string(fields);
}

TEST(Loader, defaults_are_those_of_the_snapshot) {
  const auto snapshot = loaded(with(""));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->source_path, "x.yaml");
  EXPECT_EQ(snapshot->listen, (ListenAddress{"127.0.0.1", 8080}));
  EXPECT_EQ(snapshot->limits.body_bytes_max, Limits().body_bytes_max);
  EXPECT_EQ(snapshot->timeouts.head, ClientTimeouts().head);
  EXPECT_EQ(snapshot->admin_socket, "");
  EXPECT_FALSE(snapshot->metrics);
  EXPECT_EQ(snapshot->forward_headers,
            (std::vector<std::string>{"idempotency-key", "traceparent", "tracestate", "baggage",
                                      "openai-beta"}));
  ASSERT_EQ(snapshot->tenants.size(), 1u);
  EXPECT_EQ(snapshot->tenants[0].name, "default");
}

TEST(Loader, ids_follow_the_file_and_are_found_by_name) {
  const auto snapshot = loaded(
      "models:\n  - {name: b, routes: [{upstream: y, model: z, weight: 3, priority: 2,\n"
      "     price: {input: 0.15, output: 2}}]}\n  - {name: a, routes: [{upstream: x}]}\n"
      "keys:\n  - {name: k, secret: 0123456789abcdef, models: [a, b], tenant: t}\n"
      "  - {name: l, secret: 0123456789abcdeg, models: [a], tenant: default}\n"
      "upstreams:\n  - {name: x, url: 'http://x'}\n  - {name: y, url: 'http://y'}\n"
      "listen: 0.0.0.0:80\n");
  ASSERT_TRUE(snapshot);
  const ModelId b = snapshot->find_model("b");
  EXPECT_EQ(b, ModelId{0});
  EXPECT_FALSE(snapshot->find_model("c").is_valid());
  const Route& route = snapshot->model(b).routes.at(0);
  EXPECT_EQ(snapshot->upstream(route.upstream).name, "y");
  EXPECT_EQ(route.model, "z");
  EXPECT_EQ(route.weight, 3u);
  EXPECT_EQ(route.priority, 2u);
  EXPECT_EQ(route.price.value().input_per_million, 0.15);
  EXPECT_EQ(snapshot->models[1].routes[0].model, "a");
  const KeyId id = snapshot->keys_by_digest.at(crypto::sha256("0123456789abcdef"));
  const Key& key = snapshot->key(id);
  EXPECT_EQ(key.name, "k");
  EXPECT_TRUE(key.allows(b));
  EXPECT_EQ(snapshot->tenants.at(key.tenant.value).name, "t");
  EXPECT_FALSE(snapshot->keys[1].allows(b));
  EXPECT_EQ(snapshot->keys[1].tenant, TenantId{0});
}

TEST(Loader, d070_redaction_patterns_are_checked_where_they_stand) {
  EXPECT_EQ(loaded(with("log: {redact: ['a[0-9]+', '(?i)b(c)']}\n"))->log.redact,
            (std::vector<std::string>{"a[0-9]+", "(?i)b(c)"}));
  EXPECT_EQ(errors_of(with("log:\n  redact:\n    - 'good'\n    - 'a('\n")),
            "x.yaml:11: log.redact[1] is not a pattern of RE2: missing ): a(; see "
            "github.com/google/re2/wiki/Syntax; quote it in YAML with '...'\n");
  EXPECT_TRUE(
      holds(errors_of(with("log: {redact: ['x*']}\n")), "log.redact[0] matches the empty text"));
  EXPECT_TRUE(holds(errors_of(with("log: {redact: ['" + std::string(1025, 'x') + "']}\n")),
                    "log.redact[0] must have 1 to 1024 bytes"));
  EXPECT_TRUE(holds(errors_of(with("log: {redact: ['(((a{99}){99}){99})']}\n")),
                    "log.redact[0] is not a pattern of RE2"));
  std::string many = "log: {redact: [a";
  for (int i = 0; i < 64; ++i) many += ", a";
  EXPECT_TRUE(holds(errors_of(with(many + "]}\n")), "log.redact"));
}

TEST(Loader, d040_unknown_keys_are_errors_at_every_level) {
  EXPECT_EQ(errors_of(with("lisen_backlog: 3\n")),
            "x.yaml:8: the file has an unknown key `lisen_backlog`; did you mean "
            "`listen_backlog`?\n");
  EXPECT_EQ(errors_of(with("limits: {body_byte_max: 1MiB}\n")),
            "x.yaml:8: limits has an unknown key `body_byte_max`; did you mean "
            "`body_bytes_max`?\n");
  EXPECT_EQ(errors_of(with("log: {zzz: 1}\n")),
            "x.yaml:8: log has an unknown key `zzz`; the keys here are: level, format, file, "
            "redact\n");
  EXPECT_TRUE(holds(errors_of(with_key("    secret: 0123456789abcdef\n    rpm: 3\n")),
                    "keys[0] has an unknown key `rpm`"));
  EXPECT_TRUE(holds(errors_of(with_upstream("    pool: {idel_max: 3}\n")),
                    "upstreams[0].pool has an unknown key `idel_max`; did you mean `idle_max`?"));
}

TEST(Loader, d044_values_outside_their_range_are_refused_and_never_moved) {
  EXPECT_TRUE(
      holds(errors_of(with("timeouts: {head: 9ms}\n")), "timeouts.head must be 10ms or more"));
  EXPECT_TRUE(holds(errors_of(with_upstream("    timeouts: {connect: 1us}\n")),
                    "upstreams[0].timeouts.connect must be 10ms or more"));
  EXPECT_TRUE(holds(errors_of(with("limits: {head_bytes_max: 16KiB}\n")),
                    "limits.head_bytes_max must be 16320B or less"));
  EXPECT_TRUE(
      holds(errors_of(with("limits: {attempts: 0}\n")), "limits.attempts must be 1 or more"));
  EXPECT_TRUE(holds(errors_of(with("shards: 257\n")), "shards must be 256 or less"));
}

TEST(Loader, d044_accepted_durations_arrive_as_written) {
  const auto snapshot = loaded(with_upstream(
      "    timeouts: {connect: 10ms, response: 1m30s, idle: 20ms}\n    pool: {age_max: 1h}\n"));
  ASSERT_TRUE(snapshot);
  const Upstream& upstream = snapshot->upstreams[0];
  EXPECT_EQ(upstream.timeouts.connect, milliseconds(10));
  EXPECT_EQ(upstream.timeouts.response, seconds(90));
  EXPECT_EQ(upstream.timeouts.idle, milliseconds(20));
  EXPECT_EQ(upstream.pool.age_max, seconds(3600));
}

TEST(Loader, sizes_and_durations_need_units) {
  EXPECT_TRUE(holds(errors_of(with("limits: {body_bytes_max: 4096}\n")), "a size with a unit"));
  EXPECT_TRUE(holds(errors_of(with("limits: {body_bytes_max: 4 KiB}\n")), "a size with a unit"));
  EXPECT_TRUE(holds(errors_of(with("timeouts: {head: 30}\n")), "a duration with a unit"));
  EXPECT_TRUE(holds(errors_of(with("timeouts: {head: 0}\n")), "a duration with a unit"));
  EXPECT_TRUE(loaded(with("drain_timeout: 0\n")));
}

TEST(Loader, wrong_types_are_errors) {
  for (const char* extra : {"listen_backlog: many\n",
                            "listen_backlog: -1\n",
                            "listen_backlog: 1.5\n",
                            "listen_backlog: 010\n",
                            "listen_backlog: 0x10\n",
                            "listen_backlog: [1]\n",
                            "listen_backlog: {a: 1}\n",
                            "listen_backlog:\n",
                            "listen_backlog: null\n",
                            "listen_backlog: ''\n",
                            "listen_backlog: 99999999999999999999\n",
                            "usage: yes\n",
                            "usage: 1\n",
                            "shards: some\n",
                            "limits: 3\n",
                            "limits: []\n",
                            "log: {level: loud}\n",
                            "log: {format: xml}\n",
                            "forward_headers: a\n",
                            "forward_headers: [[a]]\n",
                            "access_log: on\n",
                            "admin: off\n",
                            "metrics: {}\n",
                            "metrics: {listen: ':9'}\n",
                            "admin: {socket: \"a\\nb\"}\n"}) {
    EXPECT_NE(errors_of(with(extra)), "") << extra;
  }
  EXPECT_NE(errors_of("just text\n"), "");
  EXPECT_NE(errors_of("[]\n"), "");
}

TEST(Loader, switches_take_on_and_off) {
  const auto snapshot =
      loaded(with("usage: off\naccess_log: off\nadmin: {socket: off}\nshards: 4\n"
                  "forward_headers: []\n"));
  ASSERT_TRUE(snapshot);
  EXPECT_FALSE(snapshot->usage_accounting);
  EXPECT_FALSE(snapshot->access_log.enabled);
  EXPECT_EQ(snapshot->admin_socket, "");
  EXPECT_EQ(snapshot->shards, 4u);
  EXPECT_TRUE(snapshot->forward_headers.empty());
}

TEST(Loader, all_problems_are_reported_at_once_in_the_order_of_the_file) {
  EXPECT_EQ(errors_of("keys: []\nshards: 0\nlisten: here\nmodels:\n  - name: m\n    routes:\n"
                      "      - {upstream: gone, weight: 0}\n"),
            "x.yaml:1: upstreams is missing; add a line `upstreams:` with its value\n"
            "x.yaml:1: keys is an empty list; add an item, or remove the key\n"
            "x.yaml:2: shards must be 1 or more; write a whole number such as 1\n"
            "x.yaml:3: listen must be a numeric address with a port; write it as "
            "\"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::1]:8080\", in quotes\n"
            "x.yaml:7: models[0].routes[0].upstream names the upstream `gone`, which does not "
            "exist; name one of `upstreams`\n"
            "x.yaml:7: models[0].routes[0].weight must be 1 or more; write a whole number such "
            "as 1\n");
}

TEST(Loader, references_that_lead_nowhere_are_errors_with_a_suggestion) {
  EXPECT_TRUE(holds(errors_of("listen: 127.0.0.1:1\ndevelopment: on\n"
                              "upstreams: [{name: local, url: 'http://a'}]\n"
                              "models: [{name: m, routes: [{upstream: locl}]}]\n"),
                    "names the upstream `locl`, which does not exist (did you mean `local`?)"));
  EXPECT_TRUE(holds(errors_of(with_key("    secret: 0123456789abcdef\n    models: [m, mm]\n")),
                    "keys[0].models[1] names the model `mm`, which does not exist"));
}

TEST(Loader, a_broken_upstream_does_not_make_its_routes_dangle) {
  const std::string errors = errors_of(
      "listen: 127.0.0.1:1\ndevelopment: on\nupstreams: [{name: up, url: 'host'}]\n"
      "models: [{name: m, routes: [{upstream: up}]}]\n");
  EXPECT_EQ(errors, "x.yaml:3: upstreams[0].url of `up` has no scheme; write http://host:port\n");
}

TEST(Loader, d064_a_url_without_scheme_or_host_names_its_upstream) {
  EXPECT_TRUE(holds(errors_of("upstreams: [{name: up, url: 'host:8000'}]\n"),
                    "upstreams[0].url of `up` has no scheme"));
  EXPECT_TRUE(holds(errors_of("upstreams: [{url: 'http:///v1', name: up}]\n"),
                    "upstreams[0].url of `up` has no host"));
}

TEST(Loader, names_are_unique_in_their_list) {
  EXPECT_TRUE(holds(errors_of("upstreams:\n  - {name: a, url: 'http://a'}\n"
                              "  - {name: a, url: 'http://b'}\n"),
                    "x.yaml:3: upstreams[1] has the name `a` of the upstream in line 2"));
  EXPECT_TRUE(holds(errors_of("upstreams: [{name: up, url: 'http://a'}]\nmodels:\n"
                              "  - {name: m, routes: [{upstream: up}]}\n"
                              "  - {name: m, routes: [{upstream: up}]}\n"),
                    "x.yaml:4: models[1] has the name `m` of the model in line 3"));
  EXPECT_TRUE(holds(errors_of(with_key("    secret: 0123456789abcdef\n"
                                       "  - {name: k, secret: 0123456789abcdeg}\n")),
                    "keys[1] has the name `k` of the key in line 5"));
  EXPECT_TRUE(holds(errors_of(with_key("    secret: 0123456789abcdef\n    models: [m, m]\n")),
                    "keys[0].models names a model twice"));
}

TEST(Loader, two_keys_with_one_secret_are_an_error_naming_both) {
  const std::string errors =
      errors_of(with_key("    secret: 0123456789abcdef\n"
                         "  - {name: l, secret: 0123456789abcdef}\n"));
  EXPECT_TRUE(holds(errors, "keys[1] `l` has the same secret as the key `k`")) << errors;
  EXPECT_FALSE(holds(errors, "0123456789abcdef"));
}

TEST(Loader, names_fit_metric_labels) {
  for (const char* name : {"'a b'", "'a/b'", "'h\xc3\xb6'", "'a\"b'"}) {
    EXPECT_NE(errors_of("upstreams: [{url: 'http://a', name: " + std::string(name) + "}]\n")
                  .find("upstreams[0].name must be at most 64"),
              std::string::npos)
        << name;
  }
  EXPECT_TRUE(holds(errors_of("models: [{name: 'a b'}]\n"), "models[0].name must be at most 256"));
}

TEST(Loader, d002_without_keys_only_a_loopback_listener_in_development_starts) {
  const std::string rest =
      "upstreams: [{name: up, url: 'http://a'}]\n"
      "models: [{name: m, routes: [{upstream: up}]}]\n";
  EXPECT_TRUE(holds(errors_of("listen: 127.0.0.1:80\n" + rest), "keys is missing"));
  EXPECT_TRUE(
      holds(errors_of("listen: 127.0.0.1:80\ndevelopment: false\n" + rest), "keys is missing"));
  EXPECT_TRUE(holds(errors_of("listen: 0.0.0.0:80\ndevelopment: true\n" + rest),
                    "listen must be a loopback address in development"));
  for (const char* listen : {"127.0.0.1:80", "127.9.9.9:80", "'[::1]:80'"}) {
    const std::string head = "development: true\nlisten: " + std::string(listen) + "\n";
    EXPECT_TRUE(loaded(head + rest)) << listen;
  }
}

TEST(Loader, d002_development_is_refused_on_an_open_listener_even_with_keys) {
  EXPECT_TRUE(holds(errors_of(with_key("    secret: 0123456789abcdef\ndevelopment: true\n")),
                    "listen must be a loopback address in development"));
}

TEST(Loader, d002_metrics_that_others_can_reach_are_refused_in_development_and_warned_of_else) {
  EXPECT_TRUE(holds(errors_of(with("development: on\nmetrics: {listen: '0.0.0.0:9464'}\n")),
                    "metrics.listen must be a loopback address in development"));
  const LoadOutcome outcome =
      load_text(with("metrics: {listen: '0.0.0.0:9464'}\n"), "x.yaml", FakeEnvironment());
  ASSERT_TRUE(outcome.snapshot);
  ASSERT_EQ(outcome.warnings.size(), 1u);
  EXPECT_TRUE(holds(to_string(outcome.warnings[0]), "x.yaml:8: metrics.listen can be reached"));
}

TEST(Loader, d011_metrics_cannot_share_the_clients_address) {
  EXPECT_TRUE(holds(errors_of(with("metrics: {listen: '127.0.0.1:8080'}\n")),
                    "metrics.listen is the same address as listen"));
}

TEST(Loader, d041_headers_that_break_framing_are_load_errors) {
  for (const char* name : {"Host", "Content-Length", "transfer-encoding", "CONNECTION", "TE",
                           "Upgrade", "Proxy-Authorization", "Keep-Alive", "Trailer", "Expect"}) {
    const std::string fields = "    headers: {" + std::string(name) + ": x}\n";
    EXPECT_TRUE(holds(errors_of(with_upstream(fields)), "belongs to one connection only")) << name;
    const std::string forwarded = "forward_headers: [" + std::string(name) + "]\n";
    EXPECT_TRUE(holds(errors_of(with(forwarded)), "belongs to one connection only")) << name;
  }
}

TEST(Loader, headers_are_checked_and_kept_in_lower_case) {
  EXPECT_TRUE(holds(errors_of(with_upstream("    headers: {a: \"b\\r\\nc: d\"}\n")),
                    "upstreams[0].headers.a has a control character"));
  EXPECT_TRUE(holds(errors_of(with_upstream("    headers: {A: b, a: c}\n")), "sets `a` twice"));
  EXPECT_TRUE(holds(errors_of(with_upstream("    headers: {'a b': c}\n")), "not a header's name"));
  EXPECT_TRUE(holds(errors_of(with_upstream("    credential: x\n"
                                            "    headers: {Authorization: y}\n")),
                    "sets `authorization` beside a credential"));
  EXPECT_TRUE(holds(errors_of(with("forward_headers: [a, A]\n")), "repeats `a`"));
  EXPECT_TRUE(holds(errors_of(with("forward_headers: [Cookie]\n")), "a client's secret"));
  const auto snapshot = loaded(with_upstream("    headers: {X-Team: gw}\n"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->upstreams[0].headers.at(0).name, "x-team");
  EXPECT_EQ(snapshot->upstreams[0].headers.at(0).value, "gw");
}

TEST(Loader, d076_variables_fill_in_every_kind_of_value) {
  FakeEnvironment fake;
  fake.variables = {{"PORT", "9000"}, {"N", "7"}, {"T", "5s"}, {"B", "1MiB"}, {"DEV", "true"}};
  const auto snapshot = loaded(
      "listen: 127.0.0.1:${PORT}\nlisten_backlog: ${N}\ndrain_timeout: ${T}\n"
      "limits: {body_bytes_max: '${B}'}\ndevelopment: ${DEV:false}\nlog: {level: '${L:debug}'}\n"
      "upstreams: [{name: '${U:up}', url: '${URL:http://a:81/v1}'}]\n"
      "models: [{name: m, routes: [{upstream: up}]}]\n",
      fake);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->listen.port, 9000);
  EXPECT_EQ(snapshot->listen_backlog, 7u);
  EXPECT_EQ(snapshot->drain_timeout, seconds(5));
  EXPECT_EQ(snapshot->limits.body_bytes_max, 1u << 20);
  EXPECT_EQ(snapshot->log.level, LogLevel::kDebug);
  EXPECT_EQ(snapshot->upstreams[0].endpoint.authority, "a:81");
}

TEST(Loader, d076_a_missing_mandatory_variable_fails_the_load_with_its_place) {
  EXPECT_TRUE(holds(errors_of(with("log:\n  file: ${LOG_DIR}/x.log\n")),
                    "x.yaml:9: log.file needs the variable LOG_DIR, which is not set or is empty; "
                    "set LOG_DIR, or give a default as ${LOG_DIR:default}"));
}

TEST(Loader, secrets_come_from_variables_files_and_text) {
  FakeEnvironment fake;
  fake.variables = {{"KEY", "key-of-the-variable"}, {"DIR", "/run"}, {"REF", "env://KEY"}};
  fake.files = {{"/run/cred", {"cred-of-the-file\n", false}}, {"/run/h", {"head\r\n", false}}};
  const auto snapshot = loaded(
      "listen: 0.0.0.0:80\nupstreams:\n  - name: up\n    url: http://a\n"
      "    credential: file://${DIR}/cred\n    headers: {x-a: 'file:///run/h'}\n"
      "models: [{name: m, routes: [{upstream: up}]}]\nkeys: [{name: k, secret: '${REF}'}]\n",
      fake);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->upstreams[0].credential.value, "Bearer cred-of-the-file");
  EXPECT_EQ(snapshot->upstreams[0].headers.at(0).value, "head");
  EXPECT_TRUE(snapshot->keys_by_digest.contains(crypto::sha256("key-of-the-variable")));
}

TEST(Loader, secrets_that_are_missing_empty_or_broken_are_errors) {
  FakeEnvironment fake;
  fake.variables = {{"EMPTY", ""}, {"LINES", "a\nb"}, {"SPACE", "a b"}};
  fake.files = {{"/empty", {"\n", false}},
                {"/lines", {"a\nb\n", false}},
                {"/large", {std::string(70'000, 'x'), false}},
                {"/long", {std::string(513, 'x'), false}}};
  for (const char* secret :
       {"env://NONE", "env://EMPTY", "env://", "env://A-B", "file:///none", "file:///empty",
        "file://relative", "file://", "file:///lines", "file:///large", "file:///long",
        "env://LINES", "env://SPACE", "${NONE}", "''"}) {
    EXPECT_TRUE(holds(errors_of(with_key("    secret: " + std::string(secret) + "\n"), fake),
                      "x.yaml:6: keys[0].secret "))
        << secret;
  }
}

TEST(Loader, weak_or_readable_secrets_are_warned_of) {
  FakeEnvironment fake;
  fake.files = {{"/open", {"0123456789abcdef", true}},
                {"/c.yaml", {with_key("    secret: 0123456789abcdef\n"), true}}};
  LoadOutcome outcome = load_text(with_key("    secret: file:///open\n"), "x.yaml", fake);
  EXPECT_TRUE(holds(to_string(outcome.warnings.at(0)), "names the file /open, which every user"));
  outcome = load_text(with_key("    secret: short\n"), "x.yaml", fake);
  EXPECT_TRUE(holds(to_string(outcome.warnings.at(0)), "is shorter than 16 characters"));
  outcome = load_file("/c.yaml", fake);
  ASSERT_TRUE(outcome.snapshot);
  EXPECT_TRUE(holds(to_string(outcome.warnings.at(0)), "/c.yaml:6: this file holds a secret"));
}

TEST(Loader, what_is_unused_or_without_effect_is_warned_of) {
  LoadOutcome outcome = load_text(
      "listen: 127.0.0.1:1\nupstreams:\n  - {name: up, url: 'http://a'}\n"
      "  - {name: idle, url: 'http://b'}\nmodels: [{name: m, routes: [{upstream: up}]}]\n"
      "keys: [{name: k, secret: 0123456789abcdef, weight: 2}]\n",
      "x.yaml", FakeEnvironment());
  ASSERT_EQ(outcome.warnings.size(), 1u);
  EXPECT_TRUE(holds(to_string(outcome.warnings[0]), "x.yaml:4: upstreams[1] `idle` is named by"));
}

TEST(Loader, no_diagnostic_repeats_what_a_variable_put_into_a_path) {
  FakeEnvironment fake;
  fake.variables["CANARY"] = "canary";
  const std::string errors = errors_of(
      "listen: 127.0.0.1:1\nupstreams: [{name: up, url: 'http://a', credential: "
      "'file:///run/${CANARY}'}]\nmodels: [{name: m, routes: [{upstream: up}]}]\n"
      "development: true\n",
      fake);
  EXPECT_TRUE(holds(errors, "names the file <path with a variable>, which cannot be read"));
  EXPECT_FALSE(holds(errors, "canary"));
}

TEST(Loader, no_diagnostic_repeats_a_value_of_the_file) {
  FakeEnvironment fake;
  fake.variables["CANARY"] = "canary\ncanary";
  const std::string errors = errors_of(
      "listen: canary\nshards: canary\nlog: {level: canary, file: '${CANARY}'}\n"
      "timeouts: {head: canary}\nlimits: {body_bytes_max: canary}\n"
      "upstreams:\n  - {name: 'can ary', url: 'http://user:canary@h', credential: 'canary x'}\n"
      "  - {name: up, url: 'canary', headers: {a: \"canary\\n\"}, credential: env://CANARY}\n"
      "models: [{name: m, routes: [{upstream: up, price: {input: canary, output: -1}}]}]\n"
      "keys:\n  - {name: k, secret: 'canary x'}\n  - {name: l, secret: '${CANARY}'}\n"
      "  - {name: n, expires: canary, secret: ' '}\n  - canary\n",
      fake);
  EXPECT_GT(std::count(errors.begin(), errors.end(), '\n'), 14);
  EXPECT_FALSE(holds(errors, "canary")) << errors;
}

TEST(Loader, a_name_with_a_line_break_stays_in_one_line) {
  const std::string errors = errors_of(with("\"a\\nb\": 1\n"));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
}

TEST(Loader, prices_are_plain_decimals) {
  const auto errors_with = [](const std::string& price) {
    return errors_of("models: [{name: m, routes: [{upstream: up, price: {input: " + price +
                     ", output: 1}}]}]\n");
  };
  for (const char* price : {"-1", "+1", "1e3", ".5", "nan", "inf", "0x1", "1000001", "''", "1,5"}) {
    EXPECT_TRUE(holds(errors_with(price), "price")) << price;
  }
  EXPECT_FALSE(holds(errors_with("0.15"), "price"));
  EXPECT_TRUE(holds(errors_of("models: [{name: m, routes: [{price: {input: 1}}]}]\n"),
                    "models[0].routes[0].price.output is missing"));
}

TEST(Loader, the_byte_budget_has_room_for_one_body) {
  EXPECT_TRUE(holds(errors_of(with("limits: {byte_budget: 1MiB}\n")),
                    "x.yaml:8: limits.byte_budget (1MiB) is less than limits.body_bytes_max "
                    "(32MiB)"));
}

TEST(Loader, a_file_that_cannot_be_read_says_why) {
  const LoadOutcome outcome = load_file("/none.yaml", FakeEnvironment());
  ASSERT_EQ(outcome.errors.size(), 1u);
  EXPECT_EQ(to_string(outcome.errors[0]),
            "/none.yaml: the file cannot be read: No such file or directory; check the path and "
            "its permissions");
}

TEST(Loader, routes_of_a_model_are_bounded_and_distinct) {
  std::string routes;
  for (int i = 0; i < 65; ++i) routes += "{upstream: up, model: m" + std::to_string(i) + "}, ";
  EXPECT_TRUE(holds(errors_of("models: [{name: m, routes: [" + routes + "]}]\n"),
                    "models[0].routes has more than 64 items"));
  EXPECT_TRUE(holds(errors_of("upstreams: [{name: up, url: 'http://a'}]\n"
                              "models: [{name: m, routes: [{upstream: up}, {upstream: up}]}]\n"),
                    "models[0].routes[1] repeats the upstream and model"));
}

TEST(Loader, the_number_of_diagnostics_is_bounded) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(load_text(text, "x.yaml", FakeEnvironment()).errors.size(), 1000u);
}

// A configuration whose listener speaks TLS, with `fields` of its section.
std::string with_tls(std::string_view fields) {
  return with("tls:\n  certificates: [{certificate: /a.pem, key: file:///a.key}]\n" +
              std::string(fields));
}

TEST(LoaderTls, the_listener_has_what_is_written_and_defaults_else) {
  EXPECT_FALSE(loaded(with(""))->tls);
  const auto least = loaded(with_tls(""));
  ASSERT_TRUE(least && least->tls);
  ListenerTls expected;
  expected.certificates = {{"/a.pem", "/a.key", ""}};
  EXPECT_EQ(*least->tls, expected);
  EXPECT_EQ(expected.handshakes_per_second, 500u);
  EXPECT_EQ(expected.handshake_timeout, seconds(10));

  const auto most =
      loaded(with("tls:\n  certificates:\n    - {certificate: a.pem, key: a.key, ocsp: a.ocsp}\n"
                  "    - {certificate: b.pem, key: a.key}\n  version_min: 1.3\n"
                  "  client_certificates: required\n  client_ca: ca.pem\n"
                  "  handshakes_per_second: 7\n  handshake_timeout: 2s\n"));
  ASSERT_TRUE(most && most->tls);
  expected = {.certificates = {{"a.pem", "a.key", "a.ocsp"}, {"b.pem", "a.key", ""}},
              .version_min = TlsVersion::k13,
              .client_certificates = ClientCertificates::kRequired,
              .client_ca = "ca.pem",
              .handshakes_per_second = 7,
              .handshake_timeout = seconds(2)};
  EXPECT_EQ(*most->tls, expected);
}

TEST(LoaderTls, d062_an_upstream_has_tls_exactly_when_its_url_is_https) {
  EXPECT_FALSE(loaded(with(""))->upstreams[0].tls);
  const auto plain = loaded(
      "listen: 127.0.0.1:0\ndevelopment: true\n"
      "upstreams: [{name: up, url: 'https://Host:8443/v1'}]\n"
      "models: [{name: m, routes: [{upstream: up}]}]\n");
  ASSERT_TRUE(plain && plain->upstreams[0].tls);
  UpstreamTls expected;
  expected.server_name = "host";
  EXPECT_EQ(*plain->upstreams[0].tls, expected);
  EXPECT_EQ(plain->upstreams[0].endpoint.authority, "host:8443");
}

TEST(LoaderTls, an_upstream_has_what_is_written) {
  LoadOutcome outcome = load_text(
      "listen: 127.0.0.1:0\ndevelopment: true\nupstreams:\n  - name: up\n    url: https://h\n"
      "    tls: {ca: file:///ca.pem, verify: off, server_name: API.example, certificate: c.pem,\n"
      "          key: c.key, pins: [sha256/AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=],\n"
      "          version_min: \"1.3\"}\n"
      "models: [{name: m, routes: [{upstream: up}]}]\n",
      "x.yaml", FakeEnvironment());
  ASSERT_TRUE(outcome.snapshot && outcome.snapshot->upstreams[0].tls);
  UpstreamTls expected{.ca = "/ca.pem",
                       .verify = false,
                       .server_name = "api.example",
                       .identity = CertificateFiles{"c.pem", "c.key", ""},
                       .pins = {{}},
                       .version_min = TlsVersion::k13};
  for (uint8_t i = 0; i < 32; ++i) expected.pins[0][i] = i + 1;
  EXPECT_EQ(*outcome.snapshot->upstreams[0].tls, expected);
  EXPECT_TRUE(holds(to_string(outcome.warnings.at(1)),
                    "x.yaml:6: upstreams[0].tls.verify is off: anyone between"));
}

TEST(LoaderTls, a_bad_url_does_not_also_make_its_tls_an_error) {
  EXPECT_EQ(errors_of("listen: 127.0.0.1:0\ndevelopment: true\n"
                      "upstreams: [{name: up, url: 'https://', tls: {version_min: 1.2}}]\n"
                      "models: [{name: m, routes: [{upstream: up}]}]\n"),
            "x.yaml:3: upstreams[0].url of `up` has no host; write http://host:port\n");
}

TEST(LoaderTls, a_key_may_be_a_certificate_a_secret_or_both) {
  const auto snapshot = loaded(
      "listen: 127.0.0.1:0\n"
      "tls: {certificates: [{certificate: a, key: b}], client_certificates: optional,\n"
      "      client_ca: c}\n"
      "upstreams: [{name: up, url: 'http://a'}]\nmodels: [{name: m, routes: [{upstream: up}]}]\n"
      "keys:\n  - {name: k, secret: 0123456789abcdef}\n"
      "  - {name: l, certificate_subject: 'CN=l,O=Example\\, Inc.'}\n"
      "  - {name: n, certificate_subject: CN=n, secret: 0123456789abcdeg}\n");
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->keys_by_subject.size(), 2u);
  EXPECT_EQ(snapshot->keys_by_subject.at("CN=l,O=Example\\, Inc."), KeyId{1});
  EXPECT_EQ(snapshot->keys_by_subject.at("CN=n"), KeyId{2});
  EXPECT_EQ(snapshot->keys_by_digest.size(), 2u);
  EXPECT_EQ(snapshot->keys[1].digest, (std::array<uint8_t, 32>{}));
  EXPECT_EQ(snapshot->keys[2].certificate_subject, "CN=n");
}

TEST(NeedsRestart, tls_may_come_go_and_change) {
  const auto off = loaded(with(""));
  const auto on = loaded(with_tls(""));
  const auto other = loaded(with_tls("  version_min: 1.3\n"));
  ASSERT_TRUE(off && on && other);
  EXPECT_TRUE(needs_restart(*off, *on).empty());
  EXPECT_TRUE(needs_restart(*on, *off).empty());
  EXPECT_TRUE(needs_restart(*on, *other).empty());
  EXPECT_NE(*on->tls, *other->tls);
}

TEST(NeedsRestart, names_what_a_reload_cannot_change) {
  const auto before = loaded(with(""));
  const auto after = loaded(
      "shards: 2\nlisten_backlog: 9\nadmin: {socket: /tmp/s}\n"
      "metrics: {listen: '127.0.0.1:1'}\ndrain_timeout: 1s\nstore: {path: /s}\n"
      "journal: {directory: /j}\nusage_log: {path: /u}\n"
      "listen: 127.0.0.1:8081\n"
      "upstreams: [{name: other, url: 'http://a'}]\n"
      "models: [{name: n, routes: [{upstream: other}]}]\n"
      "keys: [{name: k, secret: 0123456789abcdef}]\n");
  ASSERT_TRUE(before && after);
  EXPECT_TRUE(needs_restart(*before, *before).empty());
  EXPECT_EQ(needs_restart(*before, *after),
            (std::vector<std::string>{"shards", "journal", "store.path", "usage_log.path"}));
}

}  // namespace
}  // namespace sluice::config
