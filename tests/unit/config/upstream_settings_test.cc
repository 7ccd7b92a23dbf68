// What an upstream's item of the file becomes: addressing, failures, health.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

Upstream upstream_with(std::string_view fields,
                       const Environment& environment = FakeEnvironment()) {
  const auto snapshot = loaded(with_upstream(fields), environment);
  return snapshot ? snapshot->upstreams.at(0) : Upstream();
}

std::string errors_with(std::string_view fields) { return errors_of(with_upstream(fields)); }

TEST(UpstreamSettings, absent_sections_are_the_defaults) {
  const Upstream upstream = upstream_with("");
  EXPECT_EQ(upstream.breaker, BreakerSettings());
  EXPECT_EQ(upstream.cooldown, CooldownSettings());
  EXPECT_EQ(upstream.timeouts, UpstreamTimeouts());
  EXPECT_EQ(upstream.serves, Capabilities());
  EXPECT_FALSE(upstream.health);
  EXPECT_FALSE(upstream.proxy);
  EXPECT_FALSE(upstream.private_addresses);
  EXPECT_EQ(upstream.concurrency_max, 0u);
  EXPECT_TRUE(upstream.group.empty());
}

TEST(UpstreamSettings, every_clock_arrives_and_two_of_them_may_be_off) {
  const UpstreamTimeouts all =
      upstream_with(
          "    timeouts: {connect: 1s, response: 2s, first_token: 3s, idle: 4s, total: 5s}\n")
          .timeouts;
  EXPECT_EQ(all, (UpstreamTimeouts{seconds(1), seconds(2), seconds(3), seconds(4), seconds(5)}));
  for (const char* word : {"off", "0", "0s"}) {
    const std::string text =
        std::string("    timeouts: {first_token: ") + word + ", total: " + word + "}\n";
    EXPECT_EQ(upstream_with(text).timeouts.total, Duration::zero());
    EXPECT_EQ(upstream_with(text).timeouts.first_token, Duration::zero());
  }
  EXPECT_TRUE(holds(errors_with("    timeouts: {idle: off}\n"), "must be a duration with a unit"));
  EXPECT_TRUE(holds(errors_with("    timeouts: {total: 9ms}\n"), "must be off, or 10ms or more"));
  EXPECT_TRUE(
      holds(errors_with("    timeouts: {total: soon}\n"), "a duration with a unit, or off"));
}

TEST(UpstreamSettings, d033_the_breaker_has_what_is_written) {
  const Upstream upstream = upstream_with(
      "    breaker: {failure_ratio: 12.5%, requests_min: 3, window: 5s, consecutive: 4,\n"
      "              open_for: 6s, probes: 2, successes: 7}\n");
  EXPECT_EQ(upstream.breaker, (BreakerSettings{true, 0.125, 3, seconds(5), 4, seconds(6), 2, 7}));
  EXPECT_FALSE(upstream_with("    breaker: off\n").breaker.enabled);
  EXPECT_TRUE(holds(errors_with("    breaker: on\n"), "upstreams[0].breaker must be a mapping"));
  EXPECT_TRUE(holds(errors_with("    breaker: {probes: 0}\n"), "breaker.probes must be 1 or more"));
  EXPECT_TRUE(holds(errors_with("    breaker: {opens_for: 1s}\n"), "did you mean `open_for`?"));
}

TEST(UpstreamSettings, shares_are_percent) {
  for (const char* share : {"0.5", "50", "'%'", "-5%", "1e1%", "50 %", "'5%%'", "nan%", "101%"}) {
    const std::string text = std::string("    breaker: {failure_ratio: ") + share + "}\n";
    EXPECT_TRUE(holds(errors_with(text), "upstreams[0].breaker.failure_ratio must be")) << share;
  }
  EXPECT_DOUBLE_EQ(upstream_with("    breaker: {failure_ratio: 100%}\n").breaker.failure_ratio, 1);
}

TEST(UpstreamSettings, failure_rules_keep_their_order_and_know_statuses_and_ranges) {
  const CooldownSettings cooldown =
      upstream_with(
          "    cooldown: {after_429: 1s, max: 2m}\n"
          "    failures:\n"
          "      - {status: 4xx, body: 'model is loading', retry: true, cooldown: 3s}\n"
          "      - {status: 503, counts: false}\n"
          "      - {status: 500-504, retry: false}\n")
          .cooldown;
  EXPECT_EQ(cooldown.after_429, seconds(1));
  EXPECT_EQ(cooldown.max, seconds(120));
  EXPECT_EQ(upstream_with("    cooldown: {after_429: 1h}\n").cooldown.max, seconds(3600));
  ASSERT_EQ(cooldown.rules.size(), 3u);
  EXPECT_EQ(cooldown.rules[0], (FailureRule{400, 499, "model is loading", true, true, seconds(3)}));
  EXPECT_EQ(cooldown.rules[1], (FailureRule{503, 503, "", true, false, Duration::zero()}));
  EXPECT_EQ(cooldown.rules[2], (FailureRule{500, 504, "", false, true, Duration::zero()}));
  for (const char* status : {"200", "2xx", "6xx", "xxx", "4x", "600", "299", "504-500", "500-",
                             "-500", "500-600", "0500", "50O", "500-504-505"}) {
    EXPECT_TRUE(holds(errors_with("    failures: [{status: '" + std::string(status) + "'}]\n"),
                      "failures[0].status must be"))
        << status;
  }
}

TEST(UpstreamSettings, d031_a_rule_that_counts_a_clients_mistake_is_warned_of) {
  const auto warnings = [](const std::string& rule) {
    return lines_of(
        load_text(with_upstream("    failures: [" + rule + "]\n"), "x", FakeEnvironment())
            .warnings);
  };
  const std::string_view kWarning = "a client's own mistake";
  EXPECT_TRUE(holds(warnings("{status: 4xx}"), kWarning));
  EXPECT_TRUE(holds(warnings("{status: 413, counts: false, cooldown: 1s}"), kWarning));
  EXPECT_FALSE(holds(warnings("{status: 4xx, counts: false}"), kWarning));
  EXPECT_FALSE(holds(warnings("{status: 400, body: overloaded}"), kWarning));
  EXPECT_FALSE(holds(warnings("{status: 5xx}"), kWarning));
  EXPECT_FALSE(holds(warnings("{status: 408}"), kWarning));
}

TEST(UpstreamSettings, the_number_of_failure_rules_is_bounded) {
  std::string rules;
  for (size_t i = 0; i <= kFailureRulesMax; ++i) rules += "{status: 500}, ";
  EXPECT_TRUE(holds(errors_with("    failures: [" + rules + "]\n"), "has more than 32 items"));
}

TEST(UpstreamSettings, health_is_asked_by_path_or_by_model) {
  const auto by_path = upstream_with(
      "    health: {path: '/v1/models?x=y', interval: 1s, timeout: 500ms,\n"
      "             unhealthy_after: 5, healthy_after: 6}\n");
  EXPECT_EQ(by_path.health,
            (HealthCheck{"/v1/models?x=y", "", seconds(1), milliseconds(500), 5, 6}));
  EXPECT_EQ(upstream_with("    health: {model: x}\n").health->model, "x");
  EXPECT_EQ(upstream_with("    health: {interval: 1s}\n").health->timeout, seconds(1));
  EXPECT_TRUE(holds(errors_with("    health: {interval: 1s, timeout: 2s}\n"), "longer than its"));
  EXPECT_EQ(upstream_with("    health: {}\n").health, HealthCheck());
  EXPECT_FALSE(upstream_with("    health: off\n").health);
  for (const char* path : {"health", "'/a b'", "'/a#b'", "\"/a\\r\\nb\""}) {
    EXPECT_TRUE(holds(errors_with("    health: {path: " + std::string(path) + "}\n"),
                      "health.path must begin with '/'"))
        << path;
  }
}

TEST(UpstreamSettings, credentials_are_bearer_basic_or_a_header) {
  FakeEnvironment fake;
  fake.variables["S"] = "open sesame";
  const auto credential = [&](const std::string& auth) {
    const Header header = upstream_with("    auth: " + auth + "\n", fake).credential;
    return header.name + "=" + header.value;
  };
  EXPECT_EQ(credential("{type: bearer, secret: abc}"), "authorization=Bearer abc");
  EXPECT_EQ(credential("{secret: env://S, type: basic, user: Aladdin}"),
            "authorization=Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(credential("{name: API-Key, type: header, secret: abc}"), "api-key=abc");
  EXPECT_TRUE(holds(errors_with("    auth: {type: basic, user: 'a:b', secret: x}\n"),
                    "auth.user must be printable ASCII without ':'"));
  EXPECT_TRUE(holds(errors_with("    auth: {type: bearer, secret: 'a b'}\n"), "without spaces"));
  EXPECT_TRUE(holds(errors_with("    auth: {secret: x}\n"), "auth.type is missing"));
  EXPECT_TRUE(holds(errors_with("    auth: {type: bearer}\n"), "auth.secret is missing"));
  EXPECT_TRUE(holds(errors_with("    auth: {type: header, name: Host, secret: x}\n"),
                    "auth.name names `host`, which belongs to one connection only"));
  EXPECT_TRUE(holds(errors_with("    auth: {type: header, name: x-k, secret: x}\n"
                                "    headers: {X-K: y}\n"),
                    "sets `x-k` beside a credential"));
}

TEST(UpstreamSettings, d041_headers_are_replaced_inserted_or_removed) {
  const Upstream upstream = upstream_with(
      "    headers: {A: one, b: {replace: two}, c: {insert: three}, d: {remove: true}}\n");
  ASSERT_EQ(upstream.headers.size(), 4u);
  const auto expect = [&](size_t i, std::string_view name, std::string_view value, HeaderOp op) {
    EXPECT_EQ(upstream.headers[i].name, name);
    EXPECT_EQ(upstream.headers[i].value, value);
    EXPECT_EQ(upstream.headers[i].op, op);
  };
  expect(0, "a", "one", HeaderOp::kReplace);
  expect(1, "b", "two", HeaderOp::kReplace);
  expect(2, "c", "three", HeaderOp::kInsert);
  expect(3, "d", "", HeaderOp::kRemove);
  for (const char* operation : {"{insert: v}", "{replace: v}", "{remove: true}", "v"}) {
    EXPECT_TRUE(
        holds(errors_with("    headers: {Content-Length: " + std::string(operation) + "}\n"),
              "belongs to one connection only"))
        << operation;
  }
  EXPECT_TRUE(holds(errors_with("    headers: {a: {insret: v}}\n"), "did you mean `insert`?"));
  EXPECT_TRUE(holds(errors_with("    headers: {a: {}}\n"), "must have one of `replace`"));
}

TEST(UpstreamSettings, a_proxy_has_a_host_and_a_port_and_perhaps_a_password) {
  FakeEnvironment fake;
  fake.variables["P"] = "open sesame";
  const auto proxy = [&](const std::string& fields) {
    return upstream_with("    proxy: {" + fields + "}\n", fake).proxy.value();
  };
  EXPECT_EQ(proxy("url: http://Proxy.example"), (ProxySettings{"proxy.example", 3128, "", false}));
  EXPECT_EQ(proxy("url: 'http://proxy.example:80/'").port, 80);
  EXPECT_EQ(proxy("url: 'http://[fd00::1]:8080', private_addresses: true"),
            (ProxySettings{"fd00::1", 8080, "", true}));
  EXPECT_EQ(proxy("url: http://p, user: Aladdin, password: env://P").authorization,
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(proxy("url: http://p, authorization: 'Bearer x'").authorization, "Bearer x");
  for (const char* url : {"https://p", "http://p/x", "http://p?x", "http://p/chat/completions"}) {
    EXPECT_TRUE(holds(errors_with("    proxy: {url: '" + std::string(url) + "'}\n"),
                      "proxy.url must be http://host:port and no more"))
        << url;
  }
  EXPECT_TRUE(holds(errors_with("    proxy: {url: 'http://10.0.0.1:3128'}\n"),
                    "upstreams[0].proxy.url has an address of a private network"));
  EXPECT_TRUE(holds(errors_with("    proxy: {url: http://p, user: a, password: b, "
                                "authorization: c}\n"),
                    "has `authorization` beside `user` and `password`"));
}

TEST(UpstreamSettings, tags_are_sorted_and_named_once) {
  EXPECT_EQ(upstream_with("    tags: [gpu, eu, b]\n").tags,
            (std::vector<std::string>{"b", "eu", "gpu"}));
  EXPECT_TRUE(holds(errors_with("    tags: [a, b, a]\n"), "upstreams[0].tags names a tag twice"));
}

TEST(UpstreamSettings, d042_endpoints_are_all_or_those_named) {
  EXPECT_EQ(upstream_with("    endpoints: [chat, responses]\n").serves,
            (Capabilities{true, false, false, true}));
  EXPECT_TRUE(holds(errors_with("    endpoints: []\n"), "is an empty list"));
  EXPECT_TRUE(holds(errors_with("    endpoints: [image]\n"), "endpoints[0] must be one of: chat"));
}

TEST(UpstreamSettings, d042_a_url_that_is_an_endpoint_serves_that_one_only) {
  const auto served = [](const std::string& more) {
    return load_text(
        "listen: 127.0.0.1:0\ndevelopment: true\n"
        "upstreams: [{name: up, url: 'http://a/x/completions'" +
            more + "}]\nmodels: [{name: m, routes: [{upstream: up}]}]\n",
        "x.yaml", FakeEnvironment());
  };
  EXPECT_EQ(served("").snapshot->upstreams[0].serves, (Capabilities{false, true, false, false}));
  EXPECT_EQ(served(", endpoints: [chat, completions]").snapshot->upstreams[0].serves,
            (Capabilities{false, true, false, false}));
  EXPECT_TRUE(holds(lines_of(served(", endpoints: [chat]").errors),
                    "upstreams[0].endpoints leaves out the one that `url` names"));
}

TEST(UpstreamSettings, numbers_arrive_as_written) {
  const Upstream upstream = upstream_with("    concurrency_max: 12\n    slow_start: 20s\n");
  EXPECT_EQ(upstream.concurrency_max, 12u);
  EXPECT_EQ(upstream.slow_start, seconds(20));
  EXPECT_EQ(upstream_with("    slow_start: off\n").slow_start, Duration::zero());
  EXPECT_TRUE(holds(errors_with("    slow_start: 10ms\n"), "must be off, or 1s or more"));
}

TEST(UpstreamSettings, d056_private_addresses_need_to_be_allowed_and_others_can_never_be) {
  const auto errors = [](const std::string& url, const char* is_allowed) {
    return errors_of("listen: 127.0.0.1:0\ndevelopment: true\nupstreams: [{name: up, url: '" + url +
                     "', private_addresses: " + is_allowed +
                     "}]\nmodels: [{name: m, routes: [{upstream: up}]}]\n");
  };
  for (const char* url :
       {"http://127.0.0.1:8000", "http://127.9.9.9", "http://10.0.0.7", "http://172.16.0.1",
        "http://192.168.1.1", "http://100.64.0.1", "http://[::1]:1", "https://[fd00::7]",
        "http://localhost:8000", "http://LOCALHOST", "http://a.localhost"}) {
    const std::string refused = errors(url, "false");
    EXPECT_TRUE(holds(refused, "x.yaml:3: upstreams[0].url of `up` ")) << url << refused;
    EXPECT_TRUE(holds(refused, "write `private_addresses: true` beside it")) << url << refused;
    EXPECT_EQ(errors(url, "true"), "") << url;
  }
  for (const char* url :
       {"http://169.254.169.254", "http://0.0.0.0", "http://0.1.2.3", "http://[::]",
        "http://[fe80::1]", "http://[fd00:ec2::254]", "http://224.0.0.1", "http://255.255.255.255",
        "http://[ff02::1]", "http://168.63.129.16", "http://100.100.100.200", "http://192.0.0.192",
        "http://127.1", "http://2130706433", "http://0x7f000001", "http://0177.0.0.1",
        "http://[::ffff:127.0.0.1]", "http://[::ffff:10.0.0.7]"}) {
    EXPECT_TRUE(holds(errors(url, "true"), "x.yaml:3: upstreams[0].url of `up` has ")) << url;
  }
  for (const char* url : {"http://8.8.8.8", "http://[2600::1]", "http://localhost.example",
                          "http://notlocalhost", "http://gpu.internal"}) {
    EXPECT_EQ(errors(url, "false"), "") << url;
  }
}

TEST(UpstreamSettings, d057_an_upstream_without_url_has_no_address) {
  EXPECT_TRUE(holds(errors_of("upstreams: [{name: up}]\n"), "upstreams[0].url is missing"));
}

TEST(UpstreamSettings, no_diagnostic_repeats_a_credential) {
  FakeEnvironment fake;
  fake.variables["CANARY"] = "canary\ncanary";
  const std::string errors = errors_of(
      with_upstream("    auth: {type: canary, user: 'canary:canary', secret: 'canary '}\n"
                    "    proxy: {url: 'http://canary:canary@p', user: 'c:anary', password: "
                    "env://CANARY}\n"
                    "    headers: {x: {insert: 'canary '}}\n"),
      fake);
  EXPECT_GT(std::count(errors.begin(), errors.end(), '\n'), 5);
  EXPECT_FALSE(holds(errors, "canary")) << errors;
}

}  // namespace
}  // namespace sluice::config
