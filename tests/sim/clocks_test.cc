// The clocks of an exchange with its upstream: each at its time, with its own code, by the file and
// by the client's header.
#include "served_stage.h"

namespace sluice::sim {
namespace {

class Clocks : public ServedStage {
 protected:
  static constexpr const char* kOneRoute = "models:\n  - {name: m, routes: [{upstream: a}]}\n";
  static constexpr const char* kTimeouts =
      "timeouts: {connect: 300ms, response: 2s, first_token: 4s, idle: 6s, total: 10s},"
      " breaker: {consecutive: 3}";

  void expect_code(const Answer& got, std::string_view code) {
    EXPECT_NE(got.body.find("\"code\":\"" + std::string(code) + "\""), std::string::npos)
        << got.body;
  }
  // One request that times out after `expected` with 504 and `code`.
  void expect_timeout(Duration expected, std::string_view code, const std::string& wish = {}) {
    const MonoTime before = now();
    const Answer got = get("m", wish.empty() ? "" : "x-sluice-timeout: " + wish + "\r\n");
    expect_about(now() - before, expected);
    EXPECT_EQ(got.status, 504);
    expect_code(got, code);
  }
  ServerPeer& begin_stream(StageClient& c, const std::string& fields = {}) {
    c.ask(post(kStream, fields));
    EXPECT_TRUE(run_until([this] { return !servers[0].held.empty(); }));
    ServerPeer& peer = *servers[0].held.front();
    servers[0].held.clear();
    peer.send(std::string(kStreamHead));
    return peer;
  }
  static constexpr std::string_view kContent =
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
  static constexpr std::string_view kRole =
      "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
};

TEST_F(Clocks, d037_d044_connect) {
  start(kTimeouts, kOneRoute, "limits: {attempts: 1}\n");
  shard.world().net().make_black_hole(a());
  expect_timeout(milliseconds(300), "connect_timeout");
  EXPECT_EQ(shard.records()[0].record.error, ErrorCode::kConnectTimeout);
  EXPECT_EQ(shard.cells().errors[ErrorCode::kConnectTimeout].value(), 1u);
  shard.expect_clean_end();
}

TEST_F(Clocks, d037_d044_response) {
  start(kTimeouts, kOneRoute, "limits: {attempts: 1}\n");
  expect_timeout(seconds(2), "upstream_timeout");
  EXPECT_EQ(shard.cells().errors[ErrorCode::kUpstreamTimeout].value(), 1u);
  shard.expect_clean_end();
}

TEST_F(Clocks, d037_d044_first_content_a_role_is_none) {
  start(kTimeouts, kOneRoute, "limits: {attempts: 1}\n");
  StageClient& c = client();
  const MonoTime before = now();
  ServerPeer& peer = begin_stream(c);
  for (int i = 1; i < 8; ++i) peer.send(chunk(kRole), milliseconds(500) * i);
  ASSERT_TRUE(run_until([&] { return c.is_over() || c.reader.complete_count() == 1; }));
  expect_about(now() - before, seconds(4));
  const Answer& got = c.reader.answers()[0];
  expect_code(got, "ttft_timeout");
  EXPECT_EQ(shard.cells().errors[ErrorCode::kFirstTokenTimeout].value(), 1u);
  c.close();
  shard.expect_clean_end();
}

TEST_F(Clocks, a_stream_without_content_that_ends_with_its_connection_is_whole) {
  start(kTimeouts, kOneRoute, "limits: {attempts: 1}\n");
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until([this] { return !servers[0].held.empty(); }));
  ServerPeer& peer = *servers[0].held.front();
  servers[0].held.clear();
  peer.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" +
            std::string(kRole));
  peer.close(milliseconds(50));
  const Answer got = finish(c);
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, kRole);
  shard.expect_clean_end();
}

// The head came alone, and what came behind it must not take its place.
TEST_F(Clocks, the_head_of_an_answer_that_is_held_back_is_the_upstreams_own) {
  start(kTimeouts + std::string(", failures: [{status: 418, body: tea}]"), kOneRoute,
        "limits: {attempts: 1}\n");
  const std::string tail = "x-tail: " + std::string(300, 't') + "\r\n";
  StageClient& c = client();
  c.ask(post(kStream));
  ASSERT_TRUE(run_until([this] { return !servers[0].held.empty(); }));
  ServerPeer& peer = *servers[0].held.front();
  servers[0].held.clear();
  peer.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + tail +
            "connection: close\r\n\r\n");
  peer.send(std::string(500, ':') + "\n\n", milliseconds(10));
  peer.send(std::string(kContent), milliseconds(20));
  peer.close(milliseconds(50));
  EXPECT_EQ(finish(c).header("x-tail"), std::string(300, 't'));

  StageClient& refused = ask();
  ASSERT_TRUE(run_until([this] { return !servers[0].held.empty(); }));
  ServerPeer& other = *servers[0].held.front();
  servers[0].held.clear();
  other.send("HTTP/1.1 418 Teapot\r\n" + tail + "content-length: 600\r\n\r\n");
  other.send(std::string(600, 'b'), milliseconds(10));
  const Answer got = finish(refused);
  EXPECT_EQ(got.status, 418);
  EXPECT_EQ(got.header("x-tail"), std::string(300, 't'));
  EXPECT_EQ(got.body, std::string(600, 'b'));
  shard.expect_clean_end();
}

// Held back for a hedge, and no clock is set but the gap's.
TEST_F(Clocks, d037_the_gap_clock_runs_before_the_first_content_too) {
  start("timeouts: {total: off, idle: 6s}",
        "models:\n  - {name: m, routes: [{upstream: a}], hedge: {after_min: 1h}}\n",
        "limits: {attempts: 2}\n");
  StageClient& c = client();
  ServerPeer& peer = begin_stream(c);
  peer.send(chunk(kRole), seconds(2));
  ASSERT_TRUE(run_for(seconds(2)));
  const MonoTime before = now();
  const Answer got = finish(c);
  EXPECT_GE(now() - before, seconds(6) - milliseconds(5));
  EXPECT_LE(now() - before, seconds(6) + milliseconds(5));
  EXPECT_EQ(got.status, 504) << "nothing was committed yet";
  expect_code(got, "stream_timeout");
  shard.expect_clean_end();
}

TEST_F(Clocks, d019_d037_d044_only_the_gap_clock_ends_a_stream_that_has_begun) {
  start(kTimeouts, kOneRoute, "limits: {attempts: 1}\n");
  StageClient& c = client();
  ServerPeer& peer = begin_stream(c);
  for (int i = 0; i < 10; ++i) peer.send(chunk(kContent), seconds(3) * i);
  ASSERT_TRUE(run_for(seconds(28)));
  EXPECT_FALSE(c.is_over()) << "no clock but the gap's runs";
  const MonoTime last = now() - seconds(1);
  ASSERT_TRUE(run_until([&] { return c.is_over(); }));
  EXPECT_GE(now() - last, seconds(6) - milliseconds(5));
  EXPECT_LE(now() - last, seconds(6) + milliseconds(5));
  expect_code(c.reader.answers()[0], "stream_timeout");
  c.close();
  shard.expect_clean_end();
}

TEST_F(Clocks, d037_d044_total_counts_all_attempts_and_their_pauses) {
  start("timeouts: {response: 2s, total: 5s}, breaker: off",
        "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b}, {upstream: c},"
        " {upstream: d}]}\n",
        "limits: {attempts: 9}\n");
  expect_timeout(seconds(5), "total_timeout");
  EXPECT_EQ(calls(), 3u);
  EXPECT_EQ(shard.cells().errors[ErrorCode::kTotalTimeout].value(), 1u);
  shard.expect_clean_end();
}

TEST_F(Clocks, d037_total_counts_the_wait_in_line) {
  start("concurrency_max: 1, timeouts: {response: 20s, total: 3s}", kOneRoute);
  StageClient& first = client();
  (void)begin_stream(first).send(chunk(kContent));
  const MonoTime before = now();
  const Answer got = get();
  expect_about(now() - before, seconds(3));
  EXPECT_GE(got.status, 503);
  EXPECT_EQ(calls(), 1u);
  first.close();
  shard.expect_clean_end();
}

TEST_F(Clocks, d037_the_clients_header_shortens_each_clock) {
  start(kTimeouts, kOneRoute, "limits: {attempts: 1}\n");
  expect_timeout(milliseconds(500), "upstream_timeout", "response=500ms");
  expect_timeout(milliseconds(700), "total_timeout", "700ms");
  expect_timeout(milliseconds(400), "total_timeout", "response=1s, total=400ms");
  shard.world().net().make_black_hole(a());
  servers[0].held.clear();
  shard.adopt(
      "upstreams:\n  - {name: a, url: 'http://10.0.1.1:8000', private_addresses: true,"
      " pool: {idle_max: 0}, timeouts: {connect: 3s}}\n" +
      std::string(kOneRoute) + "limits: {attempts: 1}\n");
  expect_timeout(milliseconds(200), "connect_timeout", "connect=200ms");
  shard.expect_clean_end();
}

TEST_F(Clocks, d037_a_longer_wish_is_granted_up_to_the_cap_and_never_below_the_files) {
  start(kTimeouts, kOneRoute, "limits: {attempts: 1}\ntimeout_header_max: 5s\n");
  expect_timeout(seconds(3), "upstream_timeout", "response=3s");
  expect_timeout(seconds(5), "upstream_timeout", "response=9s");
  // The file's total is above the cap and stays.
  expect_timeout(seconds(2), "upstream_timeout", "total=1h");
  shard.expect_clean_end();
}

TEST_F(Clocks, d037_without_a_cap_a_longer_wish_changes_nothing) {
  start(kTimeouts, kOneRoute, "limits: {attempts: 1}\n");
  expect_timeout(seconds(2), "upstream_timeout", "response=1h");
  shard.expect_clean_end();
}

TEST_F(Clocks, d037_a_wish_that_cannot_be_read_is_400_before_any_call) {
  start(kTimeouts, kOneRoute);
  for (const std::string_view wish : {"soon", "0s", "total=1s,total=2s", "nothing=1s", "-1s"}) {
    const Answer got = get("m", "x-sluice-timeout: " + std::string(wish) + "\r\n");
    EXPECT_EQ(got.status, 400) << wish;
    expect_code(got, "unsupported_value");
  }
  EXPECT_EQ(calls(), 0u);
  shard.expect_clean_end();
}

TEST_F(Clocks, d030_d037_a_clients_short_clock_opens_no_breaker) {
  start(kTimeouts, kOneRoute, "limits: {attempts: 1}\n");
  for (const std::string wish : {"response=100ms", "total=100ms", "first_token=100ms"}) {
    for (int i = 0; i < 10; ++i) {
      StageClient& c = client();
      ServerPeer* peer = nullptr;
      if (wish.starts_with("first")) {
        peer = &begin_stream(c, "x-sluice-timeout: " + wish + "\r\n");
      } else {
        c.ask(post(kUnary, "x-sluice-timeout: " + wish + "\r\n"));
      }
      ASSERT_TRUE(run_until([&] { return c.is_over() || c.reader.complete_count() == 1; }));
      c.close();
      (void)peer;
    }
    EXPECT_EQ(breaker_state("a"), kClosed) << wish;
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get().status, 504);
  EXPECT_EQ(breaker_state("a"), kOpen) << "the file's own clock counts";
  shard.expect_clean_end();
}

// What is left of the total after a wait is a short clock too.
TEST_F(Clocks, d030_a_clock_that_earlier_attempts_used_up_counts_for_nobody) {
  start("timeouts: {response: 900ms, total: 1s}, breaker: {consecutive: 2}",
        "models:\n  - {name: m, routes: [{upstream: a}, {upstream: b, priority: 1}]}\n",
        "limits: {attempts: 2}\n");
  for (int i = 0; i < 5; ++i) (void)get();
  EXPECT_EQ(breaker_state("a"), kOpen);
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
