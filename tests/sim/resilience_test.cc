// Failures: what counts against whom, how often it is tried again, and what the client gets.
#include "served_stage.h"

namespace sluice::sim {
namespace {

class Resilience : public ServedStage {
 protected:
  static constexpr const char* kOneRoute = "models:\n  - {name: m, routes: [{upstream: a}]}\n";
  static constexpr const char* kTwoRoutes =
      "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b, priority: 1}]}\n";
  static constexpr const char* kFallback =
      "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b}], fallbacks: [n]}\n"
      "  - {name: n, routes: [{upstream: c}, {upstream: d}]}\n";

  void answer_all(const std::string& bytes) {
    for (Server& server : servers) server.answer = bytes;
  }
  // Opens the breaker of `a`, whose server fails from then on.
  void open_breaker(int failures = 5) {
    servers[0].answer = status_answer(500, "{}");
    for (int i = 0; i < failures; ++i) (void)get();
    ASSERT_EQ(breaker_state("a"), kOpen);
  }
  // Both servers are gone and their breakers open; then one request fails as the probe of one.
  void expect_failed_probe_is_503() {
    for (Server& server : servers) server.resets = true;
    EXPECT_EQ(get().status, 502) << "the other one may serve";
    const auto are_open = [&] {
      return breaker_state("a") == kOpen && breaker_state("b") == kOpen;
    };
    for (int i = 0; i < 20 && !are_open(); ++i) (void)get();
    ASSERT_TRUE(are_open());
    ASSERT_TRUE(run_for(seconds(2)));
    const size_t before = calls();
    const Answer refused = get();
    EXPECT_EQ(calls(), before + 1);
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.header("retry-after"), "1");
    EXPECT_NE(refused.body.find("no_healthy_upstream"), std::string::npos);
    shard.expect_clean_end();
  }
};

TEST_F(Resilience, d024_one_request_makes_no_more_calls_than_it_may_over_routes_and_fallbacks) {
  start("breaker: off", kFallback, "limits: {attempts: 3}\n");
  answer_all(status_answer(500, "{\"error\":{}}"));
  EXPECT_EQ(get().status, 500);
  EXPECT_EQ(calls(), 3u);
  shard.expect_clean_end();
  EXPECT_EQ(shard.records()[0].record.attempts, 3u);
}

TEST_F(Resilience, d024_a_total_outage_costs_the_upstreams_no_more_than_the_budget) {
  start("breaker: off",
        "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b}],"
        " retries: {budget: 20%, budget_min: 0}}\n",
        "limits: {attempts: 5}\n");
  answer_all(status_answer(500, "{}"));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(get().status, 500);
  EXPECT_LE(calls(), 240u + 1);  // A shard has a minimum of one.
  EXPECT_GT(calls(), 220u);
  shard.expect_clean_end();
}

TEST_F(Resilience,
       d111_a_total_outage_with_breakers_is_503_without_calls_and_ends_with_the_server) {
  start("breaker: {consecutive: 3, open_for: 2s}", kTwoRoutes);
  answer_all(status_answer(500, "{}"));
  for (int i = 0; i < 6; ++i) (void)get();
  const size_t before = calls();
  for (int i = 0; i < 20; ++i) {
    const Answer refused = get();
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.header("retry-after"), "2");
    EXPECT_NE(refused.body.find("no_healthy_upstream"), std::string::npos);
  }
  EXPECT_EQ(calls(), before);
  answer_all(answer("{}"));
  ASSERT_TRUE(run_for(milliseconds(2100)));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(get().status, 200);
  EXPECT_EQ(breaker_state("a"), kClosed);
  shard.expect_clean_end();
}

TEST_F(Resilience, d111_a_probe_that_fails_is_503_while_the_other_deployments_probe_is_under_way) {
  start("breaker: {consecutive: 2, open_for: 1s, probes: 1}", kTwoRoutes);
  for (Server& server : servers) server.resets = true;
  for (int i = 0; i < 4; ++i) (void)get();
  ASSERT_EQ(breaker_state("a"), kOpen);
  ASSERT_EQ(breaker_state("b"), kOpen);
  ASSERT_TRUE(run_for(seconds(2)));
  servers[0].resets = false;
  StageClient& held = ask();
  ASSERT_TRUE(run_for(milliseconds(5)));
  ASSERT_EQ(servers[0].held.size(), 1u);
  const size_t before = servers[1].requests.size();
  const Answer refused = get();
  EXPECT_EQ(servers[1].requests.size(), before + 1);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_NE(refused.body.find("no_healthy_upstream"), std::string::npos);
  servers[0].finish_all(answer("{}"));
  EXPECT_EQ(finish(held).status, 200);
  shard.expect_clean_end();
}

TEST_F(Resilience, d111_a_probe_that_fails_is_503_when_no_retry_is_paid_for) {
  start("breaker: {consecutive: 2, open_for: 1s, probes: 1}",
        "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b}],"
        " retries: {budget: 0%, budget_min: 0}}\n");
  expect_failed_probe_is_503();
}

TEST_F(Resilience, d111_a_probe_that_fails_is_503_when_it_was_the_last_attempt) {
  start("breaker: {consecutive: 2, open_for: 1s, probes: 1}", kTwoRoutes,
        "limits: {attempts: 1}\n");
  expect_failed_probe_is_503();
}

TEST_F(Resilience, d029_every_name_of_a_model_gets_the_same_decision) {
  start("",
        "models:\n  - {name: m, aliases: [x/m, second], routes: [{upstream: a}]}\n"
        "  - {name: n, routes: [{upstream: b}]}\n"
        "keys:\n  - {name: k, secret: sk-one-0123456789abcdef, models: [n]}\n");
  const std::string key = "authorization: Bearer sk-one-0123456789abcdef\r\n";
  answer_all(answer("{}"));
  for (const std::string_view name : {"m", "x/m", "second", "x\\/m", "\\u006d"}) {
    EXPECT_EQ(get(name, key).status, 403) << name;
  }
  for (const std::string_view name : {" m", "M", "y/m"}) EXPECT_EQ(get(name, key).status, 404);
  EXPECT_EQ(calls(), 0u);
  EXPECT_EQ(get("n", key).status, 200);
  shard.expect_clean_end();
  EXPECT_EQ(shard.records()[1].record.model.view(), "m") << "charged by its one name";
}

TEST_F(Resilience, d030_d031_d110_d113_a_clients_mistakes_count_for_nothing) {
  start("", kOneRoute);
  for (const int status : {400, 403, 404, 405, 409, 413, 422}) {
    servers[0].answer = status_answer(status, "{\"error\":{\"message\":\"yours\"}}");
    for (int i = 0; i < 30; ++i) {
      const Answer got = get();
      EXPECT_EQ(got.status, status);
      EXPECT_EQ(got.body, "{\"error\":{\"message\":\"yours\"}}");
    }
    EXPECT_EQ(breaker_state("a"), kClosed) << status;
    EXPECT_EQ(shard.upstream_cells("a").cooldowns.value(), 0u) << status;
  }
  EXPECT_EQ(calls(), 7u * 30) << "a mistake is not tried again";
  shard.expect_clean_end();
}

TEST_F(Resilience, d113_clients_that_leave_count_for_nothing) {
  start("breaker: {consecutive: 3}", kOneRoute);
  for (int i = 0; i < 30; ++i) {
    StageClient& c = ask();
    ASSERT_TRUE(run_for(milliseconds(2)));
    c.close();
    ASSERT_TRUE(run_for(milliseconds(2)));
  }
  EXPECT_EQ(breaker_state("a"), kClosed);
  servers[0].answer = answer("{}");
  EXPECT_EQ(get().status, 200);
  shard.expect_clean_end();
}

TEST_F(Resilience, d032_d091_d113_a_breaker_opens_by_failures_and_closes_by_probes) {
  start("breaker: {consecutive: 5, open_for: 3s, successes: 2}", kOneRoute);
  open_breaker();
  EXPECT_EQ(shard.upstream_cells("a").breaker_opened.value(), 1u);
  EXPECT_EQ(get().status, 503);
  EXPECT_EQ(calls(), 5u);
  ASSERT_TRUE(run_for(seconds(3)));
  EXPECT_EQ(get().status, 500);  // A probe that fails opens it anew.
  EXPECT_EQ(get().status, 503);
  servers[0].answer = answer("{}");
  ASSERT_TRUE(run_for(seconds(3)));
  EXPECT_EQ(get().status, 200);
  EXPECT_EQ(breaker_state("a"), kHalfOpen);
  EXPECT_EQ(get().status, 200);
  EXPECT_EQ(breaker_state("a"), kClosed);
  EXPECT_EQ(shard.upstream_cells("a").probes.value(), 3u);
  shard.expect_clean_end();
}

TEST_F(Resilience, d113_timeouts_count) {
  start("timeouts: {response: 100ms}, breaker: {consecutive: 3}", kOneRoute);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get().status, 504);
  EXPECT_EQ(breaker_state("a"), kOpen);
  shard.expect_clean_end();
}

TEST_F(Resilience, d033_a_rush_at_half_open_sends_no_more_than_the_probes) {
  start("breaker: {open_for: 1s, probes: 2}", kOneRoute);
  open_breaker();
  servers[0].answer.clear();
  ASSERT_TRUE(run_for(seconds(1)));
  const size_t before = calls();
  std::vector<StageClient*> asked;
  for (int i = 0; i < 1000; ++i) asked.push_back(&ask());
  ASSERT_TRUE(run_for(milliseconds(20)));
  EXPECT_EQ(calls() - before, 2u);
  size_t refused = 0;
  for (StageClient* c : asked) {
    if (!has_status(*c, 503)) continue;
    ++refused;
    EXPECT_NE(c->reader.answers()[0].header("retry-after"), "");
  }
  EXPECT_EQ(refused, 998u);
  servers[0].finish_all(answer("{}"));
  ASSERT_TRUE(run_for(milliseconds(5)));
  EXPECT_EQ(breaker_state("a"), kClosed);
  for (StageClient* c : asked) c->close();
  shard.expect_clean_end();
}

// Must show 3 of the issue: requests that wait in line are a rush as well.
TEST_F(Resilience, d033_those_in_line_are_no_rush_when_the_breaker_half_opens) {
  start("concurrency_max: 2, breaker: {consecutive: 2, open_for: 1s, probes: 1, successes: 1}",
        kOneRoute, "limits: {attempts: 1}\n");
  std::vector<StageClient*> asked;
  for (int i = 0; i < 300; ++i) asked.push_back(&ask());
  ASSERT_TRUE(run_for(milliseconds(20)));
  EXPECT_EQ(shard.model_cells("m").queue_length.value(), 298);
  servers[0].finish_all(status_answer(500, "{}"));
  ASSERT_TRUE(run_for(milliseconds(20)));
  const size_t before = calls();
  EXPECT_LE(before, 4u);
  ASSERT_TRUE(run_for(seconds(1)));
  StageClient& probe = ask();
  StageClient& other = ask();
  ASSERT_TRUE(run_for(milliseconds(20)));
  EXPECT_LE(calls(), before + 1);
  while (!servers[0].held.empty()) {
    servers[0].finish_one(answer("{}"));
    ASSERT_TRUE(run_for(milliseconds(5)));
  }
  asked.push_back(&probe);
  asked.push_back(&other);
  for (StageClient* c : asked) {
    EXPECT_EQ(c->reader.complete_count(), 1u);
    c->close();
  }
  shard.expect_clean_end();
}

TEST_F(Resilience, d111_all_that_cool_down_is_503_with_the_time_until_the_first_is_back) {
  start("", kTwoRoutes);
  servers[0].answer = status_answer(429, "{}", "retry-after: 40\r\n");
  servers[1].answer = status_answer(429, "{\"b\":1}", "retry-after: 7\r\n");
  EXPECT_EQ(get().status, 429);  // An upstream's answer goes before one of ours.
  EXPECT_EQ(calls(), 2u);
  const Answer refused = get();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "7");
  EXPECT_EQ(calls(), 2u);
  answer_all(answer("{}"));
  ASSERT_TRUE(run_for(seconds(7)));
  EXPECT_EQ(get().status, 200);
  EXPECT_EQ(servers[0].requests.size(), 1u);
  shard.expect_clean_end();
}

TEST_F(Resilience, d112_d114_after_mixed_failures_the_last_real_answer_wins_and_comes_once) {
  start("", kTwoRoutes);
  const std::string overloaded = status_answer(503, "{\"error\":{\"message\":\"b is full\"}}");
  shard.world().net().make_black_hole(a());
  servers[1].answer = overloaded;
  const Answer got = get();
  EXPECT_EQ(got.status, 503);
  EXPECT_EQ(got.body, "{\"error\":{\"message\":\"b is full\"}}");
  EXPECT_EQ(got.header("content-type"), "application/json");
  shard.expect_clean_end();
}

TEST_F(Resilience, d112_a_later_transport_error_does_not_hide_a_real_answer) {
  start("timeouts: {response: 200ms}", kTwoRoutes);
  servers[0].answer = status_answer(500, "{\"error\":{\"message\":\"a failed\"}}");
  const Answer got = get();  // `b` never answers.
  EXPECT_EQ(got.status, 500);
  EXPECT_EQ(got.body, "{\"error\":{\"message\":\"a failed\"}}");
  EXPECT_EQ(calls(), 2u);
  shard.expect_clean_end();
}

TEST_F(Resilience, d114_the_last_upstreams_status_and_body_pass_through) {
  start("", kTwoRoutes, "limits: {attempts: 2}\n");
  servers[0].answer = status_answer(500, "{\"first\":1}");
  servers[1].answer = status_answer(502, "{\"second\":2}");
  const Answer got = get();
  EXPECT_EQ(got.status, 502);
  EXPECT_EQ(got.body, "{\"second\":2}");
  shard.expect_clean_end();
}

TEST_F(Resilience, d109_d114_a_client_that_leaves_between_two_attempts_ends_them) {
  start("",
        "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b}],"
        " retries: {backoff: 1m, backoff_max: 1h}}\n");
  answer_all(status_answer(500, "{}"));
  StageClient& c = ask();
  ASSERT_TRUE(run_for(milliseconds(20)));
  ASSERT_EQ(calls(), 1u);
  c.close();
  ASSERT_TRUE(run_for(milliseconds(20)));
  EXPECT_EQ(shard.cells().requests_in_flight.value(), 0);
  shard.expect_clean_end();
  EXPECT_EQ(calls(), 1u);
}

TEST_F(Resilience, d115_a_stream_is_in_flight_until_it_ends) {
  start("",
        "models:\n  - {name: m, strategy: least_busy, routes: [{upstream: a}, {upstream: b}]}\n");
  StageClient& stream = client();
  stream.ask(post(kStream));
  ASSERT_TRUE(run_for(milliseconds(5)));
  Server& busy = servers[servers[0].held.empty() ? 1 : 0];
  const std::string_view name = servers[0].held.empty() ? "b" : "a";
  Server& idle = servers[servers[0].held.empty() ? 0 : 1];
  ServerPeer& peer = *busy.held.front();
  peer.send(std::string(kStreamHead) + chunk(kEvent));
  busy.held.clear();
  idle.answer = answer("{}");
  ASSERT_TRUE(run_for(milliseconds(5)));
  EXPECT_EQ(shard.upstream_cells(name).in_flight.value(), 1);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get().status, 200);
  EXPECT_EQ(busy.requests.size(), 1u);
  peer.send("0\r\n\r\n");
  ASSERT_TRUE(run_for(milliseconds(5)));
  EXPECT_EQ(shard.upstream_cells(name).in_flight.value(), 0);
  stream.close();
  shard.expect_clean_end();
}

TEST_F(Resilience, d116_a_fallback_sees_the_same_health_as_the_model) {
  start("",
        "models:\n  - {name: m, routes: [{upstream: a}]}\n"
        "  - {name: n, routes: [{upstream: c}], fallbacks: [f]}\n"
        "  - {name: f, routes: [{upstream: a}, {upstream: b, priority: 1}]}\n");
  open_breaker();
  servers[2].answer = status_answer(500, "{}");
  servers[1].answer = answer("{}");
  const size_t before = servers[0].requests.size();
  EXPECT_EQ(get("n").status, 200);
  EXPECT_EQ(get("f").status, 200);
  EXPECT_EQ(servers[0].requests.size(), before);
  shard.expect_clean_end();
}

TEST_F(Resilience, d117_the_fallback_of_the_requests_model_answers_where_the_key_may_call_it) {
  start("",
        std::string(kFallback) +
            "keys:\n  - {name: both, secret: sk-one-0123456789abcdef}\n"
            "  - {name: few, secret: sk-two-0123456789abcdef, models: [m]}\n",
        "limits: {attempts: 5}\n");
  for (int i = 0; i < 2; ++i) servers[i].answer = status_answer(500, "{\"m\":1}");
  for (int i = 2; i < 4; ++i) servers[i].answer = answer("{\"n\":1}");
  const Answer denied = get("m", "authorization: Bearer sk-two-0123456789abcdef\r\n");
  EXPECT_EQ(denied.status, 500);
  EXPECT_EQ(denied.body, "{\"m\":1}");
  EXPECT_EQ(servers[2].requests.size() + servers[3].requests.size(), 0u);
  const Answer served = get("m", "authorization: Bearer sk-one-0123456789abcdef\r\n");
  EXPECT_EQ(served.status, 200);
  EXPECT_EQ(served.body, "{\"n\":1}");
  EXPECT_EQ(servers[2].requests.size() + servers[3].requests.size(), 1u);
  shard.expect_clean_end();
  EXPECT_EQ(shard.records()[1].record.served_model.view(), "n");
}

TEST_F(Resilience, d042_an_endpoint_that_no_route_has_is_refused_before_any_call) {
  start("endpoints: [chat]", kOneRoute);
  answer_all(answer("{}"));
  const auto embed = [this] {
    StageClient& c = client();
    c.ask("POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 13\r\n\r\n{\"model\":\"m\"}");
    return finish(c);
  };
  const Answer refused = embed();
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("endpoint_not_supported"), std::string::npos) << refused.body;
  EXPECT_EQ(calls(), 0u);
  EXPECT_EQ(get().status, 200);
  shard.expect_clean_end();
}

TEST_F(Resilience, d042_d117_a_fallback_that_has_the_endpoint_serves_though_another_one_rests) {
  start_with({"endpoints: [chat]", "", ""},
             "models:\n  - {name: m, routes: [{upstream: a}], fallbacks: [n, o]}\n"
             "  - {name: n, routes: [{upstream: b}]}\n  - {name: o, routes: [{upstream: c}]}\n");
  servers[1].answer = status_answer(429, "{}", "retry-after: 60\r\n");
  servers[2].answer = answer("{\"data\":[]}");
  EXPECT_EQ(get("n").status, 429);
  const auto embed = [this] {
    StageClient& c = client();
    c.ask("POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 13\r\n\r\n{\"model\":\"m\"}");
    return finish(c);
  };
  EXPECT_EQ(embed().status, 200);
  servers[2].answer = status_answer(429, "{}", "retry-after: 60\r\n");
  EXPECT_EQ(embed().status, 429);
  const Answer refused = embed();
  EXPECT_EQ(refused.status, 503) << "they rest, it is not that nobody has it";
  EXPECT_EQ(refused.header("retry-after"), "60");
  shard.expect_clean_end();
}

TEST_F(Resilience, d039_d060_only_what_is_meant_for_the_upstream_reaches_it) {
  start("headers: {x-mine: 'yes'}, credential: their-secret", kOneRoute);
  answer_all(answer("{}"));
  (void)get("m",
            "authorization: Bearer client-secret\r\ncookie: c=1\r\nx-api-key: k\r\n"
            "x-whatever: w\r\nproxy-authorization: p\r\nx-sluice-timeout: 5s\r\n");
  ASSERT_EQ(calls(), 1u);
  const std::string& sent = servers[0].requests[0];
  EXPECT_NE(sent.find("\r\nx-mine: yes\r\n"), std::string::npos) << sent;
  EXPECT_NE(sent.find("\r\nauthorization: Bearer their-secret\r\n"), std::string::npos) << sent;
  for (const std::string_view kept : {"client-secret", "cookie", "x-api-key", "x-whatever",
                                      "proxy-authorization", "x-sluice-timeout"}) {
    EXPECT_EQ(sent.find(kept), std::string::npos) << sent;
  }
  shard.expect_clean_end();
}

TEST_F(Resilience, d092_connections_are_used_again_and_no_more_are_kept_than_may_be) {
  start("pool: {idle_max: 4, idle_timeout: 5s}", kOneRoute);
  answer_all(answer("{}"));
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(get().status, 200);
  const metrics::UpstreamCells& cells = shard.upstream_cells("a");
  EXPECT_LE(cells.connections_opened.value(), 10u) << "99 of 100 go over a kept one";
  answer_all("");
  std::vector<StageClient*> asked;
  for (int i = 0; i < 20; ++i) asked.push_back(&ask());
  ASSERT_TRUE(run_for(milliseconds(20)));
  servers[0].finish_all(answer("{}"));
  ASSERT_TRUE(run_for(milliseconds(20)));
  EXPECT_EQ(cells.connections_idle.value(), 4);
  ASSERT_TRUE(run_for(seconds(6)));
  EXPECT_EQ(cells.connections_idle.value(), 0);
  for (StageClient* c : asked) c->close();
  shard.expect_clean_end();
}

// Whoever fails fast must not look fast.
TEST_F(Resilience, an_answer_that_is_a_failure_says_nothing_of_a_deployments_speed) {
  start("breaker: off",
        "models:\n  - {name: m, strategy: lowest_latency, routes: [{upstream: a}]}\n");
  answer_all(status_answer(500, "{}"));
  for (int i = 0; i < 10; ++i) (void)get();
  answer_all(status_answer(400, "{}"));
  for (int i = 0; i < 10; ++i) (void)get();
  EXPECT_EQ(shard.upstream_cells("a").whole_ns.value(), 0);
  answer_all(answer("{}"));
  EXPECT_EQ(get().status, 200);
  EXPECT_GT(shard.upstream_cells("a").whole_ns.value(), 0);
  shard.expect_clean_end();
}

TEST_F(Resilience, an_operators_drain_and_cooldown_keep_requests_away) {
  start("", kTwoRoutes);
  answer_all(answer("{}"));
  shard.orders("a").is_drained = true;
  ASSERT_TRUE(run_for(milliseconds(200)));
  EXPECT_EQ(get().status, 200);
  EXPECT_EQ(servers[0].requests.size(), 0u);
  shard.orders("b").is_down = true;
  ASSERT_TRUE(run_for(milliseconds(200)));
  EXPECT_EQ(get().status, 503);
  shard.orders("a").is_drained = false;
  ASSERT_TRUE(run_for(milliseconds(200)));
  EXPECT_EQ(get().status, 200);
  EXPECT_EQ(servers[0].requests.size(), 1u);
  shard.expect_clean_end();
}

TEST_F(Resilience, d122_a_reload_that_ends_hedging_leaves_hedged_requests_in_order) {
  const std::vector<std::string> plain(2);
  start("",
        "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b}],"
        " hedge: {after_min: 50ms}}\n");
  answer_all(answer("{}"));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(get().status, 200);
  answer_all("");
  StageClient& c = ask();
  ASSERT_TRUE(run_for(milliseconds(5)));
  reload(plain, "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b}]}\n");
  ASSERT_TRUE(run_for(milliseconds(500)));
  for (Server& server : servers) server.finish_all(answer("{}"));
  EXPECT_EQ(finish(c).status, 200);
  shard.expect_clean_end();
}

TEST_F(Resilience, d122_a_reload_applies_to_the_breaker) {
  start("breaker: {consecutive: 100, requests_min: 1000}", kOneRoute);
  servers[0].answer = status_answer(500, "{}");
  for (int i = 0; i < 8; ++i) (void)get();
  EXPECT_EQ(breaker_state("a"), kClosed);
  reload({"breaker: {consecutive: 3}"}, kOneRoute);
  for (int i = 0; i < 3; ++i) (void)get();
  EXPECT_EQ(breaker_state("a"), kOpen);
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
