// Every timeout at its exact time, on the fake clock.
#include "stage.h"

namespace sluice::sim {
namespace {

class Timeouts : public Stage {};

TEST_F(Timeouts, d019_a_stream_that_keeps_moving_outlives_every_timeout) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  StageUpstream& upstream = *upstreams[0];
  upstream.send(std::string(kStreamHead));
  constexpr int kEvents = 40;
  for (int i = 0; i < kEvents; ++i) upstream.send(chunk(kEvent), seconds(5) * i);
  for (int i = 1; i < kEvents; ++i) {
    ASSERT_TRUE(run_for(seconds(5)));
    ASSERT_FALSE(c.is_over()) << i;
  }
  upstream.send("0\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  EXPECT_EQ(c.reader.answers()[0].body.size(), kEvents * kEvent.size());
  c.close();
  shard.expect_clean_end();
}

TEST_F(Timeouts, d019_the_idle_timeout_ends_a_stream_that_stands_still) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  upstreams[0]->send(std::string(kStreamHead) + chunk(kEvent));
  ASSERT_TRUE(run_for(milliseconds(1)));
  const MonoTime last_byte = now();
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  expect_about(now() - last_byte, seconds(6) - milliseconds(1));
  const Answer& got = c.reader.answers()[0];
  EXPECT_FALSE(got.is_complete);
  EXPECT_TRUE(got.body.starts_with(kEvent)) << got.body;
  EXPECT_NE(got.body.find("\"stream_timeout\""), std::string::npos) << got.body;
  ASSERT_TRUE(run_for(milliseconds(1)));
  EXPECT_NE(upstreams[0]->ended_at, MonoTime::max());
  shard.expect_clean_end();
  EXPECT_EQ(shard.records()[0].record.error, ErrorCode::kUpstreamStalled);
}

TEST_F(Timeouts, a_requests_duration_is_without_the_idle_time_before_it) {
  serve(a());
  StageClient& c = client();
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(run_for(milliseconds(900)));
    c.ask(post(kStream));
    ASSERT_TRUE(run_until([&] { return !upstreams.empty() && shard.records().size() == i; }));
    ASSERT_TRUE(run_for(milliseconds(20)));
    upstreams[0]->send(std::string(kStreamHead) + chunk(kEvent) + "0\r\n\r\n");
    ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == i + 1; }));
  }
  c.close();
  shard.expect_clean_end();
  ASSERT_EQ(shard.records().size(), 2u);
  for (const Settled& settled : shard.records()) {
    EXPECT_LT(settled.record.ttft_us, 100'000u);
    EXPECT_LT(settled.record.duration_us, 100'000u);
  }
}

TEST_F(Timeouts, a_head_that_does_not_end_is_answered_408) {
  StageClient& c = client();
  c.ask("POST /v1/chat/completions HTTP/1.1\r\nhost: ");
  ASSERT_TRUE(run_for(milliseconds(1)));
  const MonoTime begun = now() - milliseconds(1);
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  expect_about(now() - begun, seconds(1));
  ASSERT_EQ(c.reader.complete_count(), 1u);
  EXPECT_EQ(c.reader.answers()[0].status, 408);
  EXPECT_EQ(c.reader.answers()[0].header("connection"), "close");
  shard.expect_clean_end();
}

TEST_F(Timeouts, a_byte_of_the_head_now_and_then_does_not_help) {
  StageClient& c = client();
  c.reader.expect();
  for (char letter : std::string("GET / HTTP/1.1\r\nhost: x")) {
    c.send(std::string(1, letter), milliseconds(100));
  }
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  EXPECT_LE(now() - MonoTime(seconds(1000)), milliseconds(1200));
  EXPECT_EQ(c.reader.answers()[0].status, 408);
  shard.expect_clean_end();
}

TEST_F(Timeouts, a_connection_without_a_request_is_closed_in_silence) {
  StageClient& c = client();
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  expect_about(now() - MonoTime(seconds(1000)), seconds(1));
  EXPECT_EQ(c.received(), "");
  shard.expect_clean_end();
  EXPECT_TRUE(shard.records().empty());
}

TEST_F(Timeouts, a_body_that_does_not_end_is_answered_408) {
  for (const std::string framing :
       {"content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n5\r\n{"}) {
    StageClient& c = client();
    const MonoTime begun = now();
    c.ask("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + framing);
    ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
    expect_about(now() - begun, seconds(2));
    EXPECT_EQ(c.reader.answers()[0].status, 408) << framing;
    ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  }
  shard.expect_clean_end();
}

TEST_F(Timeouts, an_idle_connection_is_closed_after_keep_alive) {
  StageClient& c = client();
  c.ask("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  const MonoTime answered = now();
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  expect_about(now() - answered, seconds(3) - milliseconds(1));
  EXPECT_FALSE(c.saw_reset());
  shard.expect_clean_end();
}

// An idle connection holds no snapshot, so one that it has looked at may be gone when it goes on.
TEST_F(Timeouts, an_idle_connection_outlives_the_snapshot_that_it_began_with) {
  StageClient& c = client();
  c.ask("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  shard.adopt(std::string(kConfig));
  ASSERT_TRUE(run_for(milliseconds(10)));
  const MonoTime begun = now();
  c.ask("GET /livez HTTP/1.1\r\n");
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 2; }));
  expect_about(now() - begun, seconds(1));
  EXPECT_EQ(c.reader.answers()[1].status, 408);
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  shard.expect_clean_end();
}

TEST_F(Timeouts, a_client_that_takes_no_byte_is_cut_and_its_upstream_with_it) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until_asked());
  c.stall_reading();
  upstreams[0]->send(answer(std::string(1'000'000, 'x')));
  const MonoTime stalled = now();
  ASSERT_TRUE(run_until([&] { return shard.records().size() == 1; }));
  EXPECT_GE(now() - stalled, seconds(4));
  EXPECT_LE(now() - stalled, seconds(9));  // One look for acknowledged bytes more.
  EXPECT_EQ(shard.records()[0].record.error, ErrorCode::kDownstreamStalled);
  ASSERT_TRUE(run_for(milliseconds(1)));
  EXPECT_NE(upstreams[0]->ended_at, MonoTime::max());
  c.reset();
  shard.expect_clean_end();
}

TEST_F(Timeouts, d020_a_client_that_takes_little_is_not_cut_and_costs_little) {
  serve(a());
  shard.world().set_peer_window(8 * 1024);
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until_asked());
  c.stall_reading();
  upstreams[0]->send(answer(std::string(4'000'000, 'x')));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(run_for(seconds(3)));
    ASSERT_TRUE(shard.records().empty()) << "cut after " << i << " looks";
    EXPECT_LE(shard.budget().used() + shard.ring().buffers().in_use() * 16 * 1024, 256u * 1024);
    c.resume_reading();
    c.stall_reading();
  }
  EXPECT_GT(upstreams[0]->unsent_bytes(), 3'000'000u);
  c.resume_reading();
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  c.close();
  shard.expect_clean_end();
}

TEST_F(Timeouts, a_client_that_does_not_take_its_error_answer_is_cut) {
  shard.world().set_peer_window(100);
  StageClient& c = client();
  c.stall_reading();
  c.ask("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return shard.records().size() == 1; }));
  EXPECT_GE(now() - MonoTime(seconds(1000)), seconds(4));
  EXPECT_LE(now() - MonoTime(seconds(1000)), seconds(9));
  c.reset();
  shard.expect_clean_end();
}

TEST_F(Timeouts, d113_no_answer_in_time_is_504) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until_asked());
  const MonoTime asked = now();
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  expect_about(now() - asked, seconds(5) - milliseconds(1));
  EXPECT_EQ(c.reader.answers()[0].status, 504);
  ASSERT_TRUE(run_for(milliseconds(1)));
  EXPECT_NE(upstreams[0]->ended_at, MonoTime::max()) << "a late answer could reach the next client";
  const metrics::UpstreamCells& cells = shard.upstream_cells("a");
  EXPECT_EQ(cells.attempts.at(static_cast<size_t>(metrics::AttemptOutcome::kTimeout)).value(), 1u);
  c.close();
  shard.expect_clean_end();
}

TEST_F(Timeouts, the_connect_timeout_leads_to_the_next_candidate) {
  shard.world().net().make_black_hole(a());
  serve(b());
  StageClient& c = client();
  c.ask(post(kBoth));
  const MonoTime asked = now();
  ASSERT_TRUE(run_until_asked());
  expect_about(now() - asked, milliseconds(500));
  upstreams[0]->send(answer("{}"));
  ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == 1; }));
  EXPECT_EQ(c.reader.answers()[0].status, 200);
  c.close();
  shard.expect_clean_end();
  EXPECT_EQ(shard.records()[0].record.attempts, 2u);
  EXPECT_EQ(shard.records()[0].record.upstream.view(), "b");
}

TEST_F(Timeouts, d124_draining_closes_idle_connections_at_once_and_lets_streams_end) {
  serve(a());
  StageClient& idle = client();
  StageClient& busy = client();
  idle.ask("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
  busy.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  upstreams[0]->send(std::string(kStreamHead) + chunk(kEvent));
  ASSERT_TRUE(run_for(milliseconds(10)));
  shard.begin_drain();
  ASSERT_TRUE(run_for(milliseconds(2)));
  EXPECT_TRUE(idle.is_over());
  EXPECT_FALSE(busy.is_over());
  StageClient& late = client();
  ASSERT_TRUE(run_for(milliseconds(2)));
  EXPECT_TRUE(late.was_refused());
  upstreams[0]->send(chunk(kEvent) + "0\r\n\r\n", seconds(3));
  ASSERT_TRUE(run_until([&] { return shard.is_drained(); }));
  ASSERT_TRUE(run_until([&] { return busy.is_over(); }));
  EXPECT_EQ(busy.reader.complete_count(), 1u);
  EXPECT_EQ(busy.reader.answers()[0].header("connection"), "");
  shard.expect_clean_end();
}

TEST_F(Timeouts, d124_streams_that_outlive_the_drain_get_the_error_event) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  upstreams[0]->send(std::string(kStreamHead) + chunk(kEvent));
  ASSERT_TRUE(run_for(milliseconds(10)));
  shard.begin_drain();
  ASSERT_TRUE(run_for(seconds(1)));
  shard.cut_streams();
  ASSERT_TRUE(run_until([&] { return shard.is_drained(); }));
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  const Answer& got = c.reader.answers()[0];
  EXPECT_FALSE(got.is_complete);
  EXPECT_NE(got.body.find("\"code\":\"draining\""), std::string::npos) << got.body;
  shard.expect_clean_end();
  EXPECT_EQ(shard.records()[0].record.error, ErrorCode::kDraining);
}

// Goal: whoever has not got a head when streams are cut gets a whole 503 in its place.
TEST_F(Timeouts, d124_a_request_without_an_answer_yet_gets_503_when_streams_are_cut) {
  serve(a());
  shard.world().faults().short_send = 1000;
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until_asked());
  shard.begin_drain();
  shard.cut_streams();
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  ASSERT_EQ(c.reader.complete_count(), 1u);
  EXPECT_EQ(c.reader.answers()[0].status, 503);
  shard.expect_clean_end();
}

TEST_F(Timeouts, d124_a_client_that_takes_nothing_does_not_hold_the_drain_beyond_the_kill) {
  serve(a());
  StageClient& c = client();
  c.ask(post(kUnary));
  ASSERT_TRUE(run_until_asked());
  c.stall_reading();
  upstreams[0]->send(answer(std::string(1'000'000, 'x')));
  ASSERT_TRUE(run_for(milliseconds(100)));
  shard.begin_drain();
  shard.cut_streams();
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_FALSE(shard.is_drained());
  const MonoTime killed = now();
  shard.kill_streams();
  ASSERT_TRUE(run_until([&] { return shard.is_drained(); }));
  EXPECT_LE(now() - killed, milliseconds(5));
  c.reset();
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
