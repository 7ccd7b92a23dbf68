// A client leaves at each point where its exchange can be suspended: its upstream is closed at
// once, one record says so, and nothing stays behind.
#include "stage.h"

namespace sluice::sim {
namespace {

enum class Manner : uint8_t { kFin, kReset };

class Leaving : public Stage, public testing::WithParamInterface<Manner> {
 protected:
  void leave(StageClient& c) { GetParam() == Manner::kFin ? c.close() : c.reset(); }

  // Leaves now; within 100 ms of fake time the exchange must be settled and its upstream told.
  void expect_settled_after_leaving(StageClient& c, metrics::Phase phase) {
    ASSERT_EQ(shard.cells().requests_in_flight.value(), 1);
    leave(c);
    ASSERT_TRUE(run_for(milliseconds(100)));
    EXPECT_EQ(shard.cells().requests_in_flight.value(), 0);
    EXPECT_EQ(shard.cells().connections_open.value(), 0);
    EXPECT_EQ(shard.upstream_cells("a").in_flight.value(), 0);
    ASSERT_EQ(shard.records().size(), 1u);
    EXPECT_TRUE(shard.records()[0].record.client_disconnected);
    EXPECT_EQ(shard.cells().client_disconnects.at(static_cast<size_t>(phase)).value(), 1u);
    for (const StageUpstream* upstream : upstreams) {
      EXPECT_TRUE(upstream->saw_end() || upstream->saw_reset()) << "the upstream still works";
    }
    shard.expect_clean_end();
  }
};

TEST_P(Leaving, d109_while_the_body_is_read) {
  for (const std::string framing :
       {"content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n5\r\n{"}) {
    const size_t records = shard.records().size();
    StageClient& c = client();
    c.ask("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + framing);
    ASSERT_TRUE(run_for(milliseconds(1)));
    EXPECT_EQ(shard.cells().requests_in_flight.value(), 1);
    leave(c);
    ASSERT_TRUE(run_for(milliseconds(1)));
    EXPECT_EQ(shard.cells().requests_in_flight.value(), 0);
    ASSERT_EQ(shard.records().size(), records + 1);
    EXPECT_EQ(shard.records().back().record.status, 499);
  }
  shard.expect_clean_end();
}

TEST_P(Leaving, d109_while_the_upstream_is_dialled) {
  shard.world().net().make_black_hole(a());
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_for(milliseconds(10)));
  expect_settled_after_leaving(c, metrics::Phase::kSend);
}

TEST_P(Leaving, d109_while_the_request_is_sent) {
  serve(a(), false);
  StageClient& c = client();
  c.ask(post("{\"model\":\"m\",\"p\":\"" + std::string(500'000, 'p') + "\"}"));
  ASSERT_TRUE(run_for(milliseconds(100)));
  ASSERT_EQ(upstreams.size(), 1u);
  leave(c);
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_EQ(shard.cells().requests_in_flight.value(), 0);
  upstreams[0]->resume_reading();  // Sees how much came, and the end behind it.
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_LT(upstreams[0]->received().size(), 500'000u);
  EXPECT_TRUE(upstreams[0]->saw_end() || upstreams[0]->saw_reset());
  ASSERT_EQ(shard.records().size(), 1u);
  EXPECT_EQ(shard.records()[0].record.status, 499);
  shard.expect_clean_end();
}

TEST_P(Leaving, d109_while_the_answer_is_awaited) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until_asked());
  expect_settled_after_leaving(c, metrics::Phase::kSend);
}

TEST_P(Leaving, d109_while_half_a_head_has_come) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until_asked());
  upstreams[0]->send("HTTP/1.1 200 OK\r\ncontent-");
  ASSERT_TRUE(run_for(milliseconds(1)));
  expect_settled_after_leaving(c, metrics::Phase::kSend);
}

TEST_P(Leaving, d109_while_a_stream_is_relayed) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  upstreams[0]->send(std::string(kStreamHead) + chunk(kEvent));
  ASSERT_TRUE(run_until([&] { return !c.received().empty(); }));
  expect_settled_after_leaving(c, metrics::Phase::kRelay);
}

TEST_P(Leaving, d109_while_a_stream_waits_for_the_client) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until_asked());
  c.stall_reading();
  upstreams[0]->send(answer(std::string(1'000'000, 'x')));
  ASSERT_TRUE(run_for(milliseconds(100)));
  c.reset();  // A client that reads nothing shows its leaving in order only by a reset.
  ASSERT_TRUE(run_for(milliseconds(10)));
  EXPECT_EQ(shard.cells().requests_in_flight.value(), 0);
  EXPECT_TRUE(upstreams[0]->saw_end() || upstreams[0]->saw_reset());
  shard.expect_clean_end();
}

TEST_P(Leaving, d109_while_an_error_answer_is_sent) {
  shard.world().set_peer_window(64);
  StageClient& c = client();
  c.stall_reading();
  c.ask("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_for(milliseconds(1)));
  ASSERT_EQ(shard.cells().requests_in_flight.value(), 1);
  leave(c);
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_EQ(shard.cells().requests_in_flight.value(), 0);
  shard.expect_clean_end();
}

TEST_P(Leaving, d109_with_another_request_waiting_behind) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kUnary));
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until_asked());
  ASSERT_TRUE(run_for(milliseconds(1)));
  expect_settled_after_leaving(c, metrics::Phase::kSend);
}

// Goal: a leaving that a watch has seen while nobody was told is not forgotten. Method: it falls
// between two exchanges, while the second request's body is still on its way.
TEST_P(Leaving, d109_seen_while_the_next_body_was_read) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until_asked());
  const std::string second = post(kUnary), third = post(kUnary);
  c.reader.expect();
  c.send(second.substr(0, second.size() - 5));
  ASSERT_TRUE(run_for(milliseconds(1)));
  upstreams[0]->send(answer("{}"));
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  c.send(second.substr(second.size() - 5) + third);
  leave(c);
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_EQ(shard.cells().requests_in_flight.value(), 0);
  EXPECT_EQ(shard.cells().connections_open.value(), 0);
  shard.expect_clean_end();
}

INSTANTIATE_TEST_SUITE_P(Manners, Leaving, testing::Values(Manner::kFin, Manner::kReset),
                         [](const auto& manner) {
                           return manner.param == Manner::kFin ? "fin" : "reset";
                         });

}  // namespace
}  // namespace sluice::sim
