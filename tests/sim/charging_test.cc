// Limits of a request, from the client's side: who is refused, what it is told, and what is
// charged.
#include "served_stage.h"

namespace sluice::sim {
namespace {

std::string key(std::string_view name) {
  return "authorization: Bearer sk-" + std::string(name) + "-0123456789abcdef\r\n";
}
std::string keys(std::string_view limits) {
  return "models:\n  - {name: m, routes: [{upstream: a}]}\n  - {name: n, routes: [{upstream: a}]}\n"
         "keys:\n  - {name: app, secret: sk-app-0123456789abcdef, " +
         std::string(limits) +
         "}\n"
         "  - {name: free, secret: sk-free-0123456789abcdef}\n";
}

class Charging : public ServedStage {
 protected:
  // Asks, is answered by the server with `body`, and returns what the client got.
  Answer ask_and_answer(const std::string& fields = key("app"), const std::string& body = "{}",
                        const std::string& model = "m") {
    StageClient& asked = ask(model, fields);
    EXPECT_TRUE(run_for(milliseconds(2)));
    if (!servers[0].held.empty()) servers[0].finish_one(answer(body));
    return finish(asked);
  }
  static std::string usage(int input, int output) {
    return "{\"usage\":{\"prompt_tokens\":" + std::to_string(input) +
           ",\"completion_tokens\":" + std::to_string(output) + "}}";
  }
};

TEST_F(Charging, a_request_that_the_ledger_answers_too_late_every_time_is_refused_by_its_limit) {
  start("", keys("limits: {concurrency: 4}"));
  shard.connect_limits();
  StageClient& asked = ask("m", key("app"));
  for (int i = 0; i < 20 && asked.reader.complete_count() == 0; ++i) {
    EXPECT_TRUE(run_for(milliseconds(30)));
    shard.answer_grants();
  }
  const Answer refused = finish(asked);
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.body.find("\"code\":\"concurrency_limit\""), std::string::npos);
  EXPECT_FALSE(refused.header("retry-after").empty());
  shard.expect_clean_end();
}

TEST_F(Charging, without_any_answer_of_the_ledger_the_server_is_what_is_overloaded) {
  start("", keys("limits: {concurrency: 4}"));
  shard.connect_limits();
  const Answer refused = ask_and_answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("\"code\":\"server_overloaded\""), std::string::npos);
  shard.expect_clean_end();
}

// Names of fields are the same in any case (RFC 9110 5.1).
TEST_F(Charging, the_upstreams_word_on_limits_gives_way_to_ours_in_any_case) {
  start("", keys("limits: {requests_per_minute: 3}"));
  for (const std::string name : {"x-ratelimit-limit-tokens", "X-RateLimit-Limit-Tokens"}) {
    servers[0].answer = status_answer(200, "{}", name + ": 777\r\nx-other: 888\r\n");
    StageClient& asked = ask("m", key("app"));
    EXPECT_EQ(finish(asked).status, 200);
    EXPECT_EQ(asked.received().find("777"), std::string::npos) << name;
    EXPECT_NE(asked.received().find("888"), std::string::npos) << name;
  }
  shard.expect_clean_end();
}

TEST_F(Charging, d013_d105_a_key_gets_its_requests_then_429_with_when_to_come_again) {
  start("", keys("limits: {requests_per_minute: 3}"));
  for (int i = 0; i < 3; ++i) {
    const Answer ok = ask_and_answer();
    EXPECT_EQ(ok.status, 200);
    EXPECT_EQ(ok.header("x-ratelimit-limit-requests"), "3");
    EXPECT_EQ(ok.header("x-ratelimit-remaining-requests"), std::to_string(2 - i));
    EXPECT_FALSE(ok.header("x-ratelimit-reset-requests").empty());
  }
  const Answer refused = ask_and_answer();
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.body.find("\"type\":\"rate_limit_error\""), std::string::npos);
  EXPECT_NE(refused.body.find("\"code\":\"rate_limit_exceeded\""), std::string::npos);
  EXPECT_NE(refused.body.find("The limit `keys/app/requests_per_minute` of 3 requests a minute is "
                              "reached. Try again in 1m"),
            std::string::npos)
      << refused.body;
  EXPECT_EQ(refused.header("x-ratelimit-remaining-requests"), "0");
  EXPECT_GE(std::stoi(refused.header("retry-after-ms")), 59'000);
  EXPECT_EQ(servers[0].requests.size(), 3u);
  EXPECT_EQ(ask_and_answer(key("free")).status, 200);
  ASSERT_TRUE(run_for(milliseconds(std::stoi(refused.header("retry-after-ms")))));
  EXPECT_EQ(ask_and_answer().status, 200);
  shard.expect_clean_end();
}

TEST_F(Charging, d100_d102_tokens_are_set_aside_and_corrected_by_what_was_used) {
  start("", keys("limits: {tokens_per_minute: 1000}"));
  // 900 are set aside for each answer, 20 are used.
  const std::string body = R"({"model":"m","max_tokens":900})";
  for (int i = 0; i < 5; ++i) {
    StageClient& asked = client();
    asked.ask(post(body, key("app")));
    ASSERT_TRUE(run_for(milliseconds(2)));
    if (i == 0) {
      StageClient& second = client();
      second.ask(post(body, key("app")));
      EXPECT_EQ(finish(second).status, 429) << "two would be too many at a time";
    }
    servers[0].finish_one(answer(usage(5, 15)));
    EXPECT_EQ(finish(asked).status, 200) << i;
  }
  const Answer sixth = ask_and_answer(key("app"), usage(5, 15));
  EXPECT_EQ(sixth.status, 429) << "the usual 4096 are more than what is left";
  EXPECT_EQ(sixth.header("x-ratelimit-limit-tokens"), "1000");
  EXPECT_EQ(sixth.header("x-ratelimit-remaining-tokens"), "900");
  shard.expect_clean_end();
}

TEST_F(Charging, each_choice_may_take_what_the_client_allows) {
  start("", keys("limits: {output_tokens_per_minute: 1000}"));
  StageClient& asked = client();
  asked.ask(post(R"({"model":"m","max_tokens":300,"n":4})", key("app")));
  EXPECT_EQ(finish(asked).status, 429);
  StageClient& fewer = client();
  fewer.ask(post(R"({"model":"m","max_tokens":300,"n":3})", key("app")));
  ASSERT_TRUE(run_for(milliseconds(2)));
  servers[0].finish_one(answer(usage(5, 15)));
  EXPECT_EQ(finish(fewer).status, 200);
  shard.expect_clean_end();
}

TEST_F(Charging, d102_what_reached_nobody_is_not_charged) {
  start("concurrency_max: 1",
        "models:\n  - {name: m, routes: [{upstream: a}], queue: off}\n"
        "keys:\n  - {name: app, secret: sk-app-0123456789abcdef,"
        " limits: {requests_per_minute: 3}}\n");
  StageClient& first = ask("m", key("app"));
  ASSERT_TRUE(run_for(milliseconds(2)));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get("m", key("app")).status, 503);
  servers[0].finish_one(answer("{}"));
  EXPECT_EQ(finish(first).header("x-ratelimit-remaining-requests"), "2");
  EXPECT_EQ(ask_and_answer().header("x-ratelimit-remaining-requests"), "1");
  shard.expect_clean_end();
}

TEST_F(Charging, d102_a_refused_connection_is_not_charged_and_a_failing_server_is) {
  // Nobody listens at the fifth.
  start_with({"", "", "", "", ""},
             "models:\n  - {name: m, routes: [{upstream: a}]}\n"
             "  - {name: dead, routes: [{upstream: e}]}\n"
             "keys:\n  - {name: app, secret: sk-app-0123456789abcdef,"
             " limits: {requests_per_minute: 3}}\n");
  EXPECT_EQ(get("dead", key("app")).status, 502);
  servers[0].answer = status_answer(400, "{}");
  EXPECT_EQ(get("m", key("app")).status, 400);
  servers[0].answer = answer("{}");
  EXPECT_EQ(get("m", key("app")).header("x-ratelimit-remaining-requests"), "1");
  shard.expect_clean_end();
}

TEST_F(Charging, limits_of_the_upstream_give_way_to_ours_and_pass_without) {
  start("", keys("limits: {requests_per_minute: 7}"));
  const auto ask_with_limits = [&](const std::string& fields) {
    StageClient& asked = ask("m", fields);
    EXPECT_TRUE(run_for(milliseconds(2)));
    servers[0].finish_one(
        "HTTP/1.1 200 OK\r\nx-ratelimit-limit-requests: 999\r\ncontent-length: 2\r\n\r\n{}");
    return finish(asked);
  };
  EXPECT_EQ(ask_with_limits(key("app")).header("x-ratelimit-limit-requests"), "7");
  EXPECT_EQ(ask_with_limits(key("free")).header("x-ratelimit-limit-requests"), "999");
  shard.expect_clean_end();
}

TEST_F(Charging, a_spent_budget_is_insufficient_quota) {
  start("",
        "models:\n  - {name: m, routes: [{upstream: a, price: {input: 1000, output: 1000}}]}\n"
        "keys:\n  - {name: app, secret: sk-app-0123456789abcdef,"
        " limits: {budget_per_day: 0.05, reserve: none}}\n");
  EXPECT_EQ(ask_and_answer(key("app"), usage(20, 40)).status, 200);
  const Answer refused = ask_and_answer();
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.body.find("\"type\":\"insufficient_quota\""), std::string::npos)
      << refused.body;
  EXPECT_NE(refused.body.find("of $0.05 a day is reached"), std::string::npos) << refused.body;
  shard.expect_clean_end();
}

TEST_F(Charging, a_dry_limit_only_tells) {
  start("", keys("limits: {requests_per_minute: 1, enforce: false}"));
  for (int i = 0; i < 3; ++i) {
    const Answer got = ask_and_answer();
    EXPECT_EQ(got.status, 200);
    EXPECT_TRUE(got.header("x-ratelimit-limit-requests").empty());
  }
  EXPECT_EQ(shard.records()[2].record.limit.view(), "keys/app/requests_per_minute");
  EXPECT_TRUE(shard.records()[0].record.limit.empty());
  shard.expect_clean_end();
}

TEST_F(Charging, a_dry_limit_counts_once_who_waits_for_the_ledger) {
  shard.connect_limits();
  start("", keys("limits: {requests_per_minute: 1, enforce: false}"),
        "redis: {url: 'redis://10.0.2.1:6379', gateways: 2}\n"
        "rate_limits: [{name: all, per: gateway, requests_per_minute: 9}]\n");
  servers[0].answer = answer("{}");
  StageClient& asked = ask("m", key("app"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(run_for(milliseconds(2)));
    shard.answer_grants();
  }
  shard.answer_limits(1);
  EXPECT_EQ(finish(asked).status, 200);
  EXPECT_EQ(
      shard.limit_cells("keys/app/requests_per_minute").refused[metrics::LimitMode::kDry].value(),
      1u);
  shard.expect_clean_end();
}

TEST_F(Charging, a_deployment_at_its_limit_is_passed_over_and_then_429) {
  start_with(
      {"limits: {requests_per_minute: 1}", "limits: {requests_per_minute: 2}"},
      "models:\n  - {name: m, strategy: failover, routes: [{upstream: a}, {upstream: b}]}\n");
  const auto ask_one = [&] {
    StageClient& asked = ask("m");
    EXPECT_TRUE(run_for(milliseconds(2)));
    for (auto& server : servers) {
      if (!server.held.empty()) server.finish_one(answer("{}"));
    }
    return finish(asked);
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_one().status, 200);
  EXPECT_EQ(servers[0].requests.size(), 1u);
  EXPECT_EQ(servers[1].requests.size(), 2u);
  const Answer refused = ask_one();
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.body.find("upstreams/"), std::string::npos) << "no internals: " << refused.body;
  EXPECT_GE(std::stoi(refused.header("retry-after")), 59);
  shard.expect_clean_end();
}

TEST_F(Charging, a_deployments_limit_waits_for_the_ledger_once) {
  shard.connect_limits();
  start_with({"limits: {requests_per_minute: 9}"},
             "models:\n  - {name: m, routes: [{upstream: a}]}\n",
             "redis: {url: 'redis://10.0.2.1:6379', gateways: 2}\n");
  servers[0].answer = answer("{}");
  StageClient& first = ask("m");
  EXPECT_TRUE(run_for(milliseconds(2)));
  EXPECT_EQ(first.reader.complete_count(), 0u) << "it was refused before the ledger has answered";
  EXPECT_TRUE(servers[0].requests.empty());
  shard.answer_limits(1);
  EXPECT_EQ(finish(first).status, 200);

  StageClient& second = ask("m");
  EXPECT_TRUE(run_for(milliseconds(2)));
  shard.answer_limits(0);
  EXPECT_EQ(finish(second).status, 429);
  EXPECT_EQ(servers[0].requests.size(), 1u);
  shard.expect_clean_end();
}

TEST_F(Charging, a_deployments_limit_refuses_what_the_ledger_answers_too_late_every_time) {
  shard.connect_limits();
  start_with({"limits: {concurrency: 4}"}, "models:\n  - {name: m, routes: [{upstream: a}]}\n",
             "redis: {url: 'redis://10.0.2.1:6379', gateways: 2}\n");
  StageClient& asked = ask("m");
  for (int i = 0; i < 20 && asked.reader.complete_count() == 0; ++i) {
    EXPECT_TRUE(run_for(milliseconds(30)));
    shard.answer_grants();
  }
  EXPECT_EQ(finish(asked).status, 429);
  EXPECT_TRUE(servers[0].requests.empty());
  shard.expect_clean_end();
}

TEST_F(Charging, nobody_waits_for_the_ledger_while_another_deployment_has_room) {
  shard.connect_limits();
  start_with({"limits: {requests_per_minute: 9}", ""},
             "models:\n  - {name: m, strategy: failover, routes: [{upstream: a}, {upstream: b}]}\n",
             "redis: {url: 'redis://10.0.2.1:6379', gateways: 2}\n");
  for (Server& server : servers) server.answer = answer("{}");
  EXPECT_EQ(get("m").status, 200);
  EXPECT_EQ(servers[1].requests.size(), 1u);
  shard.answer_limits(1);
  EXPECT_EQ(get("m").status, 200);
  EXPECT_EQ(servers[0].requests.size(), 1u);
  shard.expect_clean_end();
}

TEST_F(Charging, a_client_may_leave_and_the_ledger_may_be_lost_while_a_deployments_limit_asks) {
  shard.connect_limits();
  start_with({"limits: {requests_per_minute: 9}"},
             "models:\n  - {name: m, routes: [{upstream: a}]}\n",
             "redis: {url: 'redis://10.0.2.1:6379', gateways: 2}\n");
  servers[0].answer = answer("{}");
  StageClient& leaving = ask("m");
  StageClient& staying = ask("m");
  EXPECT_TRUE(run_for(milliseconds(2)));
  leaving.close();
  EXPECT_EQ(finish(staying).status, 503) << "control is late, and nobody waits for ever";
  EXPECT_TRUE(servers[0].requests.empty());
  shard.expect_clean_end();
}

TEST_F(Charging, d122_a_reload_keeps_what_is_counted_and_takes_the_new_limit) {
  start("", keys("limits: {requests_per_minute: 2}"));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask_and_answer().status, 200);
  EXPECT_EQ(ask_and_answer().status, 429);
  reload({""}, keys("limits: {requests_per_minute: 5}"));
  EXPECT_EQ(ask_and_answer().header("x-ratelimit-remaining-requests"), "2");
  shard.expect_clean_end();
}

TEST_F(Charging, a_client_that_leaves_pays_for_its_prompt) {
  start("", keys("limits: {input_tokens_per_minute: 1000}"));
  const std::string body = R"({"model":"m","messages":")" + std::string(2000, 'x') + "\"}";
  StageClient& asked = client();
  asked.ask(post(body, key("app")));
  ASSERT_TRUE(run_for(milliseconds(2)));
  asked.close();
  ASSERT_TRUE(run_for(milliseconds(2)));
  EXPECT_LT(std::stoi(ask_and_answer().header("x-ratelimit-remaining-tokens")), 600);
  shard.expect_clean_end();
}

TEST_F(Charging, a_stream_is_counted_while_it_runs_and_ended_where_its_limit_says_so) {
  start("", keys("limits: {output_tokens_per_minute: 100, reserve: none, stop_streams: true}"));
  StageClient& asked = client();
  asked.ask(post(kStream, key("app")));
  ASSERT_TRUE(run_for(milliseconds(2)));
  ServerPeer& peer = *servers[0].held.front();
  servers[0].held.pop_front();
  peer.send(std::string(kStreamHead));
  const auto send_events = [&](int count) {
    for (int i = 0; i < count; ++i) {
      peer.send(chunk("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"));
    }
    ASSERT_TRUE(run_for(milliseconds(2)));
  };
  send_events(97);
  // While it runs, others find the room that it has left.
  EXPECT_EQ(ask_and_answer(key("free")).status, 200);
  StageClient& other = client();
  other.ask(post(R"({"model":"m","max_tokens":1})", key("app")));
  ASSERT_TRUE(run_for(milliseconds(2)));
  ASSERT_EQ(servers[0].held.size(), 1u) << "3 are left";
  servers[0].finish_one(answer(usage(1, 1)));
  EXPECT_EQ(finish(other).status, 200);
  send_events(64);
  ASSERT_TRUE(run_until([&] { return asked.is_over(); }));
  const Answer& got = asked.reader.answers()[0];
  EXPECT_FALSE(got.is_complete) << "no end of body";
  EXPECT_NE(got.body.find("\"code\":\"insufficient_quota\""), std::string::npos);
  EXPECT_EQ(ask_and_answer().status, 429);
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
