// A second attempt beside a slow first one: when it begins, who wins, and that the loser is cut.
#include "stage.h"

namespace sluice::sim {
namespace {

class Hedges : public Stage {
 protected:
  static constexpr std::string_view kHedgeConfig =
      "retries: {backoff: 1ms, backoff_max: 1ms}\n"
      "upstreams:\n"
      "  - {name: a, url: 'http://10.0.1.1:8000', private_addresses: true}\n"
      "  - {name: b, url: 'http://10.0.1.2:8000', private_addresses: true}\n"
      "models:\n"
      "  - name: m\n"
      "    hedge: {quantile: 50%, after_min: 20ms, budget: 50%}\n"
      "    routes: [{upstream: a}, {upstream: b, priority: 1}]\n";

  Hedges() : Stage(ShardOptions{.config = std::string(kHedgeConfig)}) {
    serve(a());
    serve(b());
  }

  [[nodiscard]] static size_t count_requests(const StageUpstream& upstream) {
    size_t count = 0;
    for (size_t at = 0; (at = upstream.received().find("POST ", at)) != std::string::npos; ++at) {
      ++count;
    }
    return count;
  }
  // So many quick answers that the usual time to the first token is known.
  void learn(StageClient& c) {
    for (size_t i = 1; i <= 24; ++i) {
      c.ask(post(kUnary));
      ASSERT_TRUE(run_until([&] { return !upstreams.empty() && count_requests(first()) == i; }));
      first().send(answer("{}"));
      ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == i; }));
    }
    learned = c.reader.complete_count();
  }
  StageUpstream& first() { return *upstreams[0]; }
  [[nodiscard]] uint64_t hedges(metrics::HedgeOutcome outcome) {
    return shard.model_cells("m").hedges.at(static_cast<size_t>(outcome)).value();
  }

  size_t learned = 0;
};

TEST_F(Hedges, the_second_attempt_wins_and_the_first_is_cut_in_that_turn) {
  StageClient& c = client();
  learn(c);
  c.ask(post(kUnary));
  const MonoTime asked = now();
  ASSERT_TRUE(run_until([&] { return upstreams.size() == 2; }));
  expect_about(now() - asked, milliseconds(20));
  ASSERT_TRUE(run_until([&] { return count_requests(*upstreams[1]) == 1; }));
  EXPECT_EQ(first().ended_at, MonoTime::max());
  upstreams[1]->send(answer("{\"from\":\"b\"}"));
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == learned + 1; }));
  EXPECT_EQ(c.reader.answers().back().body, "{\"from\":\"b\"}");
  ASSERT_TRUE(run_for(milliseconds(1)));
  EXPECT_NE(first().ended_at, MonoTime::max());
  EXPECT_EQ(hedges(metrics::HedgeOutcome::kWon), 1u);
  c.close();
  shard.expect_clean_end();
  EXPECT_EQ(shard.records().back().record.attempts, 2u);
  EXPECT_EQ(shard.records().back().record.upstream.view(), "b");
}

TEST_F(Hedges, the_first_attempt_may_still_win) {
  StageClient& c = client();
  learn(c);
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until([&] { return upstreams.size() == 2; }));
  first().send(answer("{\"from\":\"a\"}"));
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == learned + 1; }));
  EXPECT_EQ(c.reader.answers().back().body, "{\"from\":\"a\"}");
  ASSERT_TRUE(run_for(milliseconds(1)));
  EXPECT_EQ(hedges(metrics::HedgeOutcome::kLost), 1u);
  EXPECT_GT(shard.model_cells("m").hedge_wasted_tokens.value(), 0u);
  c.close();
  shard.expect_clean_end();
  EXPECT_EQ(shard.records().back().record.upstream.view(), "a");
}

TEST_F(Hedges, when_one_fails_the_other_answers) {
  StageClient& c = client();
  learn(c);
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until([&] { return upstreams.size() == 2; }));
  upstreams[1]->close();
  ASSERT_TRUE(run_for(milliseconds(5)));
  EXPECT_EQ(hedges(metrics::HedgeOutcome::kFailed), 0u) << "the first one still runs";
  first().send(answer("{\"from\":\"a\"}"));
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == learned + 1; }));
  EXPECT_EQ(c.reader.answers().back().status, 200);
  ASSERT_TRUE(run_for(milliseconds(1)));
  EXPECT_EQ(hedges(metrics::HedgeOutcome::kFailed), 1u);
  c.close();
  shard.expect_clean_end();
}

TEST_F(Hedges, a_stream_waits_with_its_head_for_the_first_content) {
  StageClient& c = client();
  learn(c);
  c.ask(post(kStream));
  ASSERT_TRUE(run_until([&] { return count_requests(first()) == 25; }));
  const std::string role = chunk("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n");
  const std::string text = chunk("data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n");
  first().send(std::string(kStreamHead) + role);
  ASSERT_TRUE(run_until([&] { return upstreams.size() == 2; }));
  EXPECT_EQ(c.reader.answers().size(), learned) << "a role is no content";
  ASSERT_TRUE(run_until([&] { return count_requests(*upstreams[1]) == 1; }));
  upstreams[1]->send(std::string(kStreamHead) + role);
  ASSERT_TRUE(run_for(milliseconds(2)));
  upstreams[1]->send(text + "0\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == learned + 1; }));
  EXPECT_EQ(c.reader.answers().back().body,
            "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
            "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n");
  c.close();
  shard.expect_clean_end();
}

// Both may become known in one turn, in which nothing else runs any more if the wait goes on at
// once.
TEST_F(Hedges, d109_a_client_that_leaves_as_the_hedge_falls_due_ends_both) {
  StageClient& teacher = client();
  learn(teacher);
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_for(milliseconds(10)));
  c.close();
  // A turn that comes late finds both.
  shard.world().clock().advance(milliseconds(30));
  ASSERT_TRUE(run_for(milliseconds(30)));
  EXPECT_EQ(shard.upstream_cells("a").in_flight.value(), 0);
  EXPECT_EQ(shard.upstream_cells("b").in_flight.value(), 0);
  teacher.close();
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
