// Limits and lines: who waits, who is served next, and what becomes of them when something changes.
#include "served_stage.h"

namespace sluice::sim {
namespace {

class Waiting : public ServedStage {
 protected:
  static constexpr const char* kOneRoute = "models:\n  - {name: m, routes: [{upstream: a}]}\n";

  // Requests one after the other, so that their order is known; all are asked, not answered.
  std::vector<StageClient*> ask_many(int count, const std::string& fields = {}) {
    std::vector<StageClient*> asked;
    for (int i = 0; i < count; ++i) {
      asked.push_back(&ask("m", fields));
      EXPECT_TRUE(run_for(milliseconds(2)));
    }
    return asked;
  }
  void finish_one(Server& server) {
    server.finish_one(answer("{}"));
    ASSERT_TRUE(run_for(milliseconds(2)));
  }
  [[nodiscard]] int64_t in_line() { return shard.model_cells("m").queue_length.value(); }
  static size_t count_done(const std::vector<StageClient*>& asked) {
    return static_cast<size_t>(std::ranges::count_if(
        asked, [](const StageClient* c) { return c->reader.complete_count() == 1; }));
  }
  void close_all(const std::vector<StageClient*>& asked) {
    for (StageClient* c : asked) {
      EXPECT_TRUE(has_status(*c, 200));
      c->close();
    }
    shard.expect_clean_end();
  }
};

TEST_F(Waiting, d038_d123_never_more_than_the_limit_in_flight_and_the_rest_waits_in_order) {
  start("concurrency_max: 3", kOneRoute);
  const std::vector<StageClient*> asked = ask_many(20);
  EXPECT_EQ(servers[0].requests.size(), 3u);
  EXPECT_EQ(in_line(), 17);
  for (size_t done = 1; done <= 20; ++done) {
    finish_one(servers[0]);
    ASSERT_EQ(count_done(asked), done);
    EXPECT_EQ(asked[done - 1]->reader.complete_count(), 1u) << "not in the order of coming";
  }
  EXPECT_EQ(servers[0].held_most, 3u);
  close_all(asked);
}

TEST_F(Waiting, d123_the_limit_holds_for_each_deployment_and_nobody_waits_while_one_has_a_place) {
  start_with({"concurrency_max: 1", "concurrency_max: 2"},
             "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b}]}\n");
  const std::vector<StageClient*> asked = ask_many(3);
  EXPECT_EQ(servers[0].held.size(), 1u);
  EXPECT_EQ(servers[1].held.size(), 2u);
  EXPECT_EQ(in_line(), 0);
  std::vector<StageClient*> late = ask_many(2);
  EXPECT_EQ(in_line(), 2);
  finish_one(servers[1]);  // Any place serves the one that waits longest.
  EXPECT_EQ(servers[1].requests.size(), 3u);
  EXPECT_EQ(in_line(), 1);
  finish_one(servers[0]);
  EXPECT_EQ(servers[0].requests.size(), 2u);
  for (Server& server : servers) server.finish_all(answer("{}"));
  ASSERT_TRUE(run_for(milliseconds(5)));
  EXPECT_EQ(servers[0].held_most, 1u);
  EXPECT_EQ(servers[1].held_most, 2u);
  late.insert(late.end(), asked.begin(), asked.end());
  close_all(late);
}

TEST_F(Waiting, d123_a_full_line_refuses_at_once_with_503) {
  start("concurrency_max: 1",
        "models:\n  - {name: m, routes: [{upstream: a}], queue: {length_max: 2}}\n");
  const std::vector<StageClient*> asked = ask_many(3);
  const MonoTime before = now();
  const Answer refused = get();
  EXPECT_LE(now() - before, milliseconds(5));
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("\"code\":\"queue_full\""), std::string::npos) << refused.body;
  EXPECT_NE(refused.header("retry-after"), "");
  for (int i = 0; i < 3; ++i) finish_one(servers[0]);
  close_all(asked);
  EXPECT_EQ(servers[0].requests.size(), 3u);
}

TEST_F(Waiting, d123_without_a_line_there_is_no_waiting) {
  start("concurrency_max: 1", "models:\n  - {name: m, routes: [{upstream: a}], queue: off}\n");
  const std::vector<StageClient*> asked = ask_many(1);
  EXPECT_EQ(get().status, 503);
  finish_one(servers[0]);
  close_all(asked);
}

TEST_F(Waiting, d123_who_waits_too_long_gets_503_with_retry_after) {
  start("concurrency_max: 1",
        "models:\n  - {name: m, routes: [{upstream: a}], queue: {wait_max: 700ms}}\n");
  const std::vector<StageClient*> asked = ask_many(1);
  const MonoTime before = now();
  const Answer refused = get();
  expect_about(now() - before, milliseconds(700));
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("\"code\":\"queue_timeout\""), std::string::npos) << refused.body;
  EXPECT_NE(refused.header("retry-after"), "");
  EXPECT_EQ(in_line(), 0);
  finish_one(servers[0]);
  close_all(asked);
  EXPECT_EQ(servers[0].requests.size(), 1u) << "who has gone from the line is not sent";
}

TEST_F(Waiting, d109_d114_d123_a_client_that_leaves_the_line_makes_room_and_is_never_sent) {
  start("concurrency_max: 1",
        "models:\n  - {name: m, routes: [{upstream: a}], queue: {length_max: 2}}\n");
  std::vector<StageClient*> asked = ask_many(3);
  asked[1]->close();
  ASSERT_TRUE(run_for(milliseconds(2)));
  EXPECT_EQ(in_line(), 1);
  asked.erase(asked.begin() + 1);
  asked.push_back(&ask());  // There is room again.
  ASSERT_TRUE(run_for(milliseconds(2)));
  EXPECT_EQ(in_line(), 2);
  for (int i = 0; i < 3; ++i) finish_one(servers[0]);
  close_all(asked);
  EXPECT_EQ(servers[0].requests.size(), 3u);
}

// The place is handed to one who is already gone in the same turn.
TEST_F(Waiting, d123_a_place_handed_to_one_that_leaves_goes_on_to_the_next) {
  start("concurrency_max: 1", kOneRoute);
  std::vector<StageClient*> asked = ask_many(3);
  servers[0].finish_one(answer("{}"));
  asked[1]->reset();
  ASSERT_TRUE(run_for(milliseconds(5)));
  EXPECT_EQ(in_line(), 0);
  servers[0].finish_all(answer("{}"));
  ASSERT_TRUE(run_for(milliseconds(5)));
  EXPECT_TRUE(has_status(*asked[2], 200));
  asked.erase(asked.begin() + 1);
  close_all(asked);
}

TEST_F(Waiting, d122_a_raised_limit_serves_those_in_line_at_once) {
  start("concurrency_max: 1", kOneRoute);
  const std::vector<StageClient*> asked = ask_many(10);
  reload({"concurrency_max: 4"}, kOneRoute);
  EXPECT_EQ(servers[0].held.size(), 4u);
  EXPECT_EQ(in_line(), 6);
  for (int i = 0; i < 10; ++i) finish_one(servers[0]);
  EXPECT_EQ(servers[0].held_most, 4u);
  close_all(asked);
}

TEST_F(Waiting, d122_a_lowered_limit_takes_nobodys_place_and_admits_nobody_above_it) {
  start("concurrency_max: 4", kOneRoute);
  const std::vector<StageClient*> asked = ask_many(8);
  reload({"concurrency_max: 2"}, kOneRoute);
  EXPECT_EQ(servers[0].held.size(), 4u);
  finish_one(servers[0]);
  finish_one(servers[0]);
  EXPECT_EQ(servers[0].requests.size(), 4u);
  finish_one(servers[0]);
  EXPECT_EQ(servers[0].held.size(), 2u);
  for (int i = 0; i < 5; ++i) finish_one(servers[0]);
  close_all(asked);
}

TEST_F(Waiting, d122_a_limit_that_is_taken_away_serves_all_in_line) {
  start("concurrency_max: 1", kOneRoute);
  const std::vector<StageClient*> asked = ask_many(6);
  reload({""}, kOneRoute);
  EXPECT_EQ(servers[0].held.size(), 6u);
  EXPECT_EQ(in_line(), 0);
  for (int i = 0; i < 6; ++i) finish_one(servers[0]);
  close_all(asked);
}

TEST_F(Waiting, d122_a_models_limit_that_is_taken_away_serves_all_in_line) {
  start("", "models:\n  - {name: m, routes: [{upstream: a}], concurrency_max: 1}\n");
  const std::vector<StageClient*> asked = ask_many(6);
  EXPECT_EQ(in_line(), 5);
  reload({""}, kOneRoute);
  EXPECT_EQ(servers[0].held.size(), 6u);
  for (int i = 0; i < 6; ++i) finish_one(servers[0]);
  close_all(asked);
}

TEST_F(Waiting, d122_a_client_leaves_the_line_of_a_limit_that_is_gone) {
  start("concurrency_max: 1", kOneRoute);
  std::vector<StageClient*> asked = ask_many(3);
  shard.adopt(
      "upstreams:\n  - {name: b, url: 'http://10.0.1.2:8000', private_addresses: true}\n"
      "models:\n  - {name: m, routes: [{upstream: b}]}\n");
  ASSERT_TRUE(run_for(milliseconds(2)));
  asked[1]->close();
  ASSERT_TRUE(run_for(milliseconds(2)));
  finish_one(servers[0]);
  finish_one(servers[0]);
  asked.erase(asked.begin() + 1);
  close_all(asked);
}

TEST_F(Waiting, d038_limits_of_model_and_process_hold_together) {
  start("",
        "models:\n  - {name: m, routes: [{upstream: a}], concurrency_max: 2}\n"
        "  - {name: n, routes: [{upstream: a}]}\n",
        "limits: {concurrency_max: 3}\n");
  std::vector<StageClient*> asked = ask_many(4);
  EXPECT_EQ(servers[0].held.size(), 2u);
  StageClient& third = ask("n");
  StageClient& fourth = ask("n");
  ASSERT_TRUE(run_for(milliseconds(2)));
  EXPECT_EQ(servers[0].held.size(), 3u);
  for (int i = 0; i < 6; ++i) finish_one(servers[0]);
  EXPECT_EQ(servers[0].held_most, 3u);
  asked.push_back(&third);
  asked.push_back(&fourth);
  close_all(asked);
}

// Nobody is refused because others pass their places around.
TEST_F(Waiting, d038_d123_small_limits_of_all_kinds_serve_everybody) {
  start("concurrency_max: 1",
        "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b}], concurrency_max: 2}\n"
        "  - {name: n, routes: [{upstream: b}, {upstream: c}], concurrency_max: 1}\n",
        "limits: {concurrency_max: 2}\n");
  for (Server& server : servers) server.answer = answer("{}");
  std::vector<StageClient*> asked;
  for (int i = 0; i < 200; ++i) asked.push_back(&ask(i % 3 == 0 ? "n" : "m"));
  ASSERT_TRUE(run_until([&] { return count_done(asked) == asked.size(); }));
  for (const Server& server : servers) EXPECT_LE(server.held_most, 1u);
  close_all(asked);
}

constexpr const char* kKeys =
    "keys:\n"
    "  - {name: one, secret: sk-one-0123456789abcdef, tenant: one, weight: 1, priority_max: 2,"
    " concurrency_max: 100}\n"
    "  - {name: two, secret: sk-two-0123456789abcdef, tenant: two, weight: 2}\n"
    "  - {name: few, secret: sk-few-0123456789abcdef, tenant: few, concurrency_max: 1}\n";

std::string key(std::string_view name) {
  return "authorization: Bearer sk-" + std::string(name) + "-0123456789abcdef\r\n";
}

TEST_F(Waiting, d038_a_keys_limit_refuses_with_429_and_touches_no_other_key) {
  start("", std::string(kOneRoute) + kKeys);
  const std::vector<StageClient*> asked = ask_many(1, key("few"));
  const Answer refused = get("m", key("few"));
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.body.find("concurrency_limit"), std::string::npos) << refused.body;
  std::vector<StageClient*> others = ask_many(2, key("one"));
  EXPECT_EQ(servers[0].held.size(), 3u);
  for (int i = 0; i < 3; ++i) finish_one(servers[0]);
  others.push_back(asked[0]);
  close_all(others);
}

TEST_F(Waiting, a_higher_priority_goes_first_as_far_as_the_key_allows) {
  start("concurrency_max: 1", std::string(kOneRoute) + kKeys);
  const auto first = ask_many(1, key("two"));
  const auto low = ask_many(2, key("one"));
  const auto capped = ask_many(1, key("two") + "x-sluice-priority: 9\r\n");  // Its key allows 0.
  const auto high = ask_many(1, key("one") + "x-sluice-priority: 9\r\n");    // 2 of these 9.
  finish_one(servers[0]);
  finish_one(servers[0]);
  EXPECT_EQ(count_done(high), 1u);
  EXPECT_EQ(count_done(low) + count_done(capped), 0u);
  EXPECT_NE(servers[0].requests[1].find("x-sluice-priority: 2"), std::string::npos);
  for (int i = 0; i < 3; ++i) finish_one(servers[0]);
  std::vector<StageClient*> all(low);
  for (const auto& more : {first, capped, high}) all.insert(all.end(), more.begin(), more.end());
  close_all(all);
}

TEST_F(Waiting, tenants_share_a_full_deployment_by_weight_whoever_came_first) {
  start("concurrency_max: 1", std::string(kOneRoute) + kKeys);
  const auto flood = ask_many(31, key("one"));
  const auto other = ask_many(20, key("two"));
  finish_one(servers[0]);  // One was sent before anybody waited.
  for (int i = 0; i < 15; ++i) finish_one(servers[0]);
  // Of 15 turns two thirds are the second tenant's; the order within a tenant may move one.
  EXPECT_NEAR(static_cast<double>(count_done(other)), 10.0, 1.0);
  for (int i = 0; i < 35; ++i) finish_one(servers[0]);
  std::vector<StageClient*> all(flood);
  all.insert(all.end(), other.begin(), other.end());
  close_all(all);
}

// While it waited for a place of `a` that deployment began to rest, and `b` came back.
TEST_F(Waiting, d116_a_place_of_a_deployment_that_rests_by_now_is_not_used) {
  start_with(
      {"concurrency_max: 1, cooldown: {after_429: 9s}", "cooldown: {after_429: 1s}, breaker: off"},
      "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b, priority: 1}]}\n"
      "  - {name: n, routes: [{upstream: b}]}\n");
  servers[1].answer = status_answer(429, "{}");
  EXPECT_EQ(get("n").status, 429);  // `b` rests for a second.
  const std::vector<StageClient*> asked = ask_many(2);
  EXPECT_EQ(in_line(), 1);
  ASSERT_TRUE(run_for(milliseconds(1100)));
  servers[1].answer = answer("{}");
  servers[0].finish_one(status_answer(429, "{}"));
  ASSERT_TRUE(run_for(milliseconds(50)));
  EXPECT_EQ(count_done(asked), 2u);
  close_all(asked);
  EXPECT_EQ(servers[0].requests.size(), 1u);
}

}  // namespace
}  // namespace sluice::sim
