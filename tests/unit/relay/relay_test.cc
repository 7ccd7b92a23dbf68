#include <sluice/relay/relay.h>

#include <gtest/gtest.h>

#include <random>
#include <string>

#include <sluice/relay/answer_start.h>

#include "relay_world.h"

namespace sluice::relay {
namespace {

using http::BodyKind;

// Content is whatever holds the word.
class WordTap final : public http::EventTap {
 public:
  void on_span(std::string_view span) noexcept override {
    text_ += span;
    has_content_ = text_.find("content") != std::string::npos;
  }
  void on_plain_events(uint32_t) noexcept override {}
  void on_end() noexcept override {}
  [[nodiscard]] bool has_content() const noexcept override { return has_content_; }

 private:
  std::string text_;
  bool has_content_ = false;
};

// Keeps everything; that alone makes the relay hold incomplete events.
class KeepFilter final : public http::EventFilter {
 public:
  Look look_at(std::string_view) noexcept override { return {Look::kKeepsAll, 0}; }
  bool keeps(std::string_view) noexcept override { return true; }
};

class RelayTest : public RelayWorld {
 protected:
  MonoTime in(Duration duration) { return ring_.now() + duration; }
  void expect_about(Duration measured, Duration expected) {
    EXPECT_GE(measured, expected);
    EXPECT_LE(measured, expected + milliseconds(5));
  }
  std::string all_expected_;
  void send_events(Duration every, size_t count, std::string_view payload) {
    for (size_t i = 1; i <= count; ++i) {
      world_.after(every * static_cast<int>(i),
                   [this, text = chunk(event(payload))] { upstream_peer_->send(text); });
    }
  }
};

TEST_F(RelayTest, d019_no_clock_but_the_gap_cuts_a_stream_that_is_moving) {
  RelayOptions options = kStream;
  options.idle_max = seconds(2);
  options.first_token_deadline = {in(seconds(3))};
  options.total_deadline = {in(seconds(5))};
  WordTap tap;
  start(options, nullptr, &tap);
  send_events(seconds(1), 20, "content");
  world_.after(seconds(21), [this] { upstream_peer_->send(std::string(kEnd)); });
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kFinished);
  expect_about(lasted(), seconds(21));
  expect_about(result_->first_content_at - result_->first_byte_at, Duration::zero());
}

TEST_F(RelayTest, d044_the_first_token_is_awaited_so_long_whatever_comes_before_it) {
  RelayOptions options = kStream;
  options.idle_max = seconds(2);
  options.first_token_deadline = {in(seconds(5))};
  options.total_deadline = {in(seconds(9))};
  WordTap tap;
  start(options, nullptr, &tap);
  send_events(seconds(1), 20, "role");
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kFirstTokenLate);
  expect_about(lasted(), seconds(5));
  EXPECT_TRUE(body().ends_with("data: FIRST\n\n")) << body();
  EXPECT_TRUE(sink_->is_aborted);
  EXPECT_EQ(result_->first_content_at, MonoTime::max());
  EXPECT_FALSE(result_->is_resumable);
}

TEST_F(RelayTest, d044_the_total_clock_has_an_end_of_its_own) {
  RelayOptions options = kStream;
  options.first_token_deadline = {in(seconds(9))};
  options.total_deadline = {in(seconds(4))};
  WordTap tap;
  start(options, nullptr, &tap);
  send_events(seconds(1), 20, "role");
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kTotalLate);
  expect_about(lasted(), seconds(4));
  EXPECT_TRUE(body().ends_with("data: TOTAL\n\n")) << body();
}

TEST_F(RelayTest, d044_the_total_clock_bounds_a_whole_body_that_is_no_stream) {
  RelayOptions options{.framing = {.kind = BodyKind::kChunked}};
  options.first_token_deadline = {in(seconds(2))};
  options.total_deadline = {in(seconds(5))};
  start(options);
  send_events(seconds(1), 20, "content");
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kTotalLate);
  expect_about(lasted(), seconds(5));
  EXPECT_TRUE(sink_->is_aborted);
  EXPECT_EQ(body().find("TOTAL"), std::string::npos);
}

TEST_F(RelayTest, the_first_byte_counts_where_nobody_tells_content) {
  RelayOptions options = kStream;
  options.first_token_deadline = {in(seconds(2))};
  start(options);
  world_.after(seconds(1), [this] { upstream_peer_->send(chunk(event("role"))); });
  world_.after(seconds(9), [this] { upstream_peer_->send(std::string(kEnd)); });
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kFinished);
}

TEST_F(RelayTest, pings_come_before_the_first_event_and_between_events) {
  RelayOptions options = kStream;
  options.ping = seconds(1);
  options.idle_max = seconds(9);
  start(options);
  run_for(milliseconds(2500));
  EXPECT_EQ(body(), ": ping\n\n: ping\n\n");
  upstream_peer_->send(chunk(event("one")));
  run_for(milliseconds(1500));
  EXPECT_EQ(body(), ": ping\n\n: ping\n\ndata: one\n\n: ping\n\n");
  upstream_peer_->send(std::string(kEnd));
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kFinished);
  EXPECT_EQ(result_->payload_bytes, event("one").size());
}

TEST_F(RelayTest, no_ping_stands_inside_an_event_or_a_chunk) {
  RelayOptions options = kStream;
  options.ping = seconds(1);
  start(options);
  const std::string whole = chunk(event("one"));
  for (const size_t cut : {size_t{1}, size_t{4}, size_t{9}, whole.size() - 1}) {
    const std::string before = body();
    upstream_peer_->send(whole.substr(0, cut));
    run_for(seconds(4));
    EXPECT_EQ(body().find("ping", before.size()), std::string::npos) << cut;
    upstream_peer_->send(whole.substr(cut));
    run_for(milliseconds(1500));
    EXPECT_EQ(body(), before + event("one") + ": ping\n\n");
  }
  // An event that is cut between chunks is open too.
  const std::string before = body();
  upstream_peer_->send(chunk("data: t"));
  run_for(seconds(4));
  EXPECT_EQ(body(), before + "data: t");
  upstream_peer_->send(chunk("wo\n\n") + std::string(kEnd));
  run_to_end();
  EXPECT_EQ(body(), before + event("two"));
}

TEST_F(RelayTest, a_filtered_stream_has_pings_while_it_holds_the_front_of_an_event) {
  RelayOptions options = kStream;
  options.ping = seconds(1);
  KeepFilter filter;
  start(options, &filter);
  upstream_peer_->send(chunk("data: o"));
  run_for(milliseconds(1500));
  EXPECT_EQ(body(), ": ping\n\n");
  upstream_peer_->send(chunk("ne\n\n") + std::string(kEnd));
  run_to_end();
  EXPECT_EQ(body(), ": ping\n\n" + event("one"));
}

TEST_F(RelayTest, pings_are_no_life_of_the_upstream) {
  RelayOptions options = kStream;
  options.ping = seconds(1);
  options.idle_max = milliseconds(3500);
  start(options);
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kUpstreamStalled);
  expect_about(lasted(), milliseconds(3500));
  EXPECT_EQ(body(), ": ping\n\n: ping\n\n: ping\n\ndata: STALLED\n\n");
}

TEST_F(RelayTest, a_body_of_a_promised_length_and_one_that_is_no_stream_get_no_ping) {
  RelayOptions options = kStream;
  options.ping = seconds(1);
  options.framing = {.kind = BodyKind::kLength, .length = 10};
  start(options);
  run_for(seconds(5));
  upstream_peer_->send("0123456789");
  run_to_end();
  EXPECT_EQ(client_->received(), "HEAD\n0123456789");
}

TEST_F(RelayTest, a_client_of_http_1_0_gets_bare_pings) {
  sink_->framing = http::ResponseSink::Framing::kBare;
  RelayOptions options = kStream;
  options.ping = seconds(1);
  start(options);
  run_for(milliseconds(1500));
  upstream_peer_->send(chunk(event("one")) + std::string(kEnd));
  run_to_end();
  EXPECT_EQ(body(), ": ping\n\n" + event("one"));
}

TEST_F(RelayTest, a_client_that_takes_nothing_gets_no_pile_of_pings) {
  RelayOptions options = kStream;
  options.ping = seconds(1);
  options.held_bytes_max = 32 * 1024;
  start(options);
  client_->stall_reading();
  const std::string payload(8000, 'x');
  constexpr size_t kPile = 100;
  std::string expected;
  for (size_t i = 0; i < kPile; ++i) {
    upstream_peer_->send(chunk(event(payload)));
    expected += event(payload);
  }
  run_for(seconds(30));
  EXPECT_TRUE(sink_->is_sending());
  client_->resume_reading();
  run_for(milliseconds(500));
  EXPECT_EQ(body(), expected);
  upstream_peer_->send(std::string(kEnd));
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kFinished);
  EXPECT_EQ(body(), expected);
}

TEST_F(RelayTest, a_client_that_takes_nothing_pins_no_receive_buffer_once_they_are_scarce) {
  std::vector<io::Buffer> others;  // That other slow clients pin.
  for (size_t i = 0; i < 600; ++i) {
    upstream_peer_->send("x");
    upstream_->start_receive();
    ASSERT_TRUE(run_until([this] { return upstream_->received().is_ready(); }));
    others.push_back(*upstream_->take_received());
  }
  start(kStream);
  client_->stall_reading();
  const std::string payload(8000, 'x');
  std::string expected;
  for (size_t i = 0; i < 50; ++i) {
    upstream_peer_->send(chunk(event(payload)));
    expected += event(payload);
  }
  run_for(seconds(1));
  EXPECT_TRUE(sink_->is_sending());
  EXPECT_EQ(ring_.buffers().in_use(), others.size());
  client_->resume_reading();
  upstream_peer_->send(std::string(kEnd));
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kFinished);
  EXPECT_EQ(body(), expected);
}

// At some of these moments both are seen in one turn, while the last send is still in flight: a
// relay that looks at one alone would never sleep again.
class RelayMomentTest : public RelayTest, public testing::WithParamInterface<int> {};

TEST_P(RelayMomentTest, a_client_may_go_in_the_moment_in_which_it_is_given_up) {
  RelayOptions options = kStream;
  options.stall_max = seconds(1);
  start(options);
  client_->stall_reading();
  for (size_t i = 0; i < 100; ++i) upstream_peer_->send(chunk(event(std::string(8000, 'x'))));
  const Duration moment = seconds(2) + microseconds(100) * GetParam();
  world_.after(moment, [this] { sink_->interrupted().trigger(); });
  run_to_end();
  EXPECT_NE(result_->end, RelayEnd::kFinished);
  EXPECT_TRUE(sink_->is_aborted);
}

INSTANTIATE_TEST_SUITE_P(Moments, RelayMomentTest, testing::Range(-20, 40));

// Without its comments the client's stream is the upstream's, whatever is cut and however slow.
TEST_F(RelayTest, pings_change_no_byte_of_the_stream_at_random_cuts_and_pauses) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    RelayOptions options = kStream;
    options.ping = milliseconds(20 + random() % 50);
    KeepFilter filter;
    const size_t before = client_->received().size();
    options.continues = before > 0;
    options.may_resume = true;  // So that the client's stream outlives the round.
    start(options, &filter);
    std::string raw, expected;
    for (int i = 0; i < 40; ++i) {
      const std::string text = event(std::string(random() % 3000, 'a' + i % 26));
      raw += chunk(text.substr(0, text.size() / 2)) + chunk(text.substr(text.size() / 2));
      expected += text;
    }
    for (size_t at = 0; at < raw.size();) {
      const size_t length = 1 + random() % 5000;
      upstream_peer_->send(raw.substr(at, length));
      at += length;
      if (random() % 4 == 0) client_->stall_reading();
      run_for(milliseconds(random() % 120));
      client_->resume_reading();
    }
    upstream_peer_->reset();
    run_to_end();
    EXPECT_EQ(result_->end, RelayEnd::kUpstreamLost);
    EXPECT_TRUE(result_->is_resumable);
    std::string got = body();
    for (size_t at; (at = got.find(": ping\n\n")) != std::string::npos;) got.erase(at, 8);
    all_expected_ += expected;
    EXPECT_EQ(got, all_expected_);
    replace_upstream();
  }
}

TEST_F(RelayTest, d023_a_stream_that_may_be_resumed_stays_open_between_events) {
  RelayOptions options = kStream;
  options.may_resume = true;
  KeepFilter filter;
  start(options, &filter);
  upstream_peer_->send(chunk(event("one")) + chunk("data: tw"));
  run_for(milliseconds(5));
  upstream_peer_->reset();
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kUpstreamLost);
  EXPECT_TRUE(result_->is_resumable);
  EXPECT_FALSE(sink_->is_aborted);
  EXPECT_EQ(body(), event("one"));
  replace_upstream();
  options.continues = true;
  start(options, &filter);
  upstream_peer_->send(chunk(event("two")) + std::string(kEnd));
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kFinished);
  EXPECT_EQ(body(), event("one") + event("two"));
  EXPECT_EQ(client_->received().find("HEAD", 1), std::string::npos);
  EXPECT_TRUE(client_->received().ends_with(kEnd));
}

TEST_F(RelayTest, d023_nobody_resumes_inside_an_event_too_large_to_be_held) {
  RelayOptions options = kStream;
  options.may_resume = true;
  KeepFilter filter;
  start(options, &filter);
  upstream_peer_->send("fffff\r\ndata: " + std::string(40'000, 'x'));
  run_for(milliseconds(20));
  upstream_peer_->reset();
  run_to_end();
  EXPECT_FALSE(result_->is_resumable);
  EXPECT_TRUE(sink_->is_aborted);
}

TEST_F(RelayTest, what_was_held_before_the_commit_point_goes_first_and_in_order) {
  WordTap watch;
  AnswerStart start_of_answer({.kind = BodyKind::kChunked}, watch);
  std::string expected;
  for (const std::string_view payload : {"role", "role", "content"}) {
    EXPECT_FALSE(start_of_answer.is_decided());
    const std::string text = event(payload);
    expected += text;
    start_of_answer.take(buffer_of(chunk(text)));
  }
  EXPECT_TRUE(start_of_answer.is_decided());
  RelayOptions options = kStream;
  options.first_token_deadline = {in(seconds(1))};
  options.more = start_of_answer.more();
  WordTap tap;
  start(options, nullptr, &tap, start_of_answer.take_first());
  run_for(seconds(2));
  EXPECT_EQ(body(), expected);
  upstream_peer_->send(chunk(event("last")) + std::string(kEnd));
  run_to_end();
  EXPECT_EQ(result_->end, RelayEnd::kFinished);
  EXPECT_EQ(body(), expected + event("last"));
}

TEST_F(RelayTest, a_start_is_decided_by_content_an_end_broken_framing_or_too_much) {
  const auto decided_after = [this](std::string_view raw, http::BodyFraming framing) {
    WordTap watch;
    AnswerStart start_of_answer(framing, watch);
    start_of_answer.take(buffer_of(raw));
    return start_of_answer.is_decided();
  };
  constexpr http::BodyFraming kChunked{.kind = BodyKind::kChunked};
  EXPECT_FALSE(decided_after(chunk(event("role")), kChunked));
  EXPECT_TRUE(decided_after(chunk(event("content")), kChunked));
  EXPECT_TRUE(decided_after(chunk(event("role")) + std::string(kEnd), kChunked));
  EXPECT_TRUE(decided_after("zz", kChunked));
  EXPECT_FALSE(decided_after("12345", {.kind = BodyKind::kLength, .length = 6}));
  EXPECT_TRUE(decided_after("123456", {.kind = BodyKind::kLength, .length = 6}));
  EXPECT_FALSE(decided_after("123456", {.kind = BodyKind::kUntilClose}));
  WordTap watch;
  AnswerStart full(kChunked, watch);
  for (size_t i = 0; i < AnswerStart::kBuffersMax; ++i) {
    EXPECT_FALSE(full.is_decided());
    full.take(buffer_of(chunk(event("role"))));
  }
  EXPECT_TRUE(full.is_decided());
}

Task<void> break_off_task(io::Ring& ring, StreamSink& sink, bool& is_done) {
  co_await break_off(ring, sink, "data: LOST\n\n", seconds(1));
  is_done = true;
}

TEST_F(RelayTest, a_stream_that_is_not_resumed_ends_with_its_error_and_no_end_of_body) {
  RelayOptions options = kStream;
  options.may_resume = true;
  KeepFilter filter;
  start(options, &filter);
  upstream_peer_->send(chunk(event("one")));
  run_for(milliseconds(5));
  upstream_peer_->reset();
  run_to_end();
  bool is_done = false;
  io::start_detached(break_off_task(ring_, *sink_, is_done));
  ASSERT_TRUE(run_until([&] { return is_done; }));
  run_for(milliseconds(5));
  EXPECT_EQ(body(), event("one") + "data: LOST\n\n");
  EXPECT_TRUE(sink_->is_aborted);
  EXPECT_FALSE(client_->received().ends_with(kEnd));
}

}  // namespace
}  // namespace sluice::relay
