#include <sluice/http/http2_session.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include <sluice/base/byte_budget.h>

#include "../../support/counted_new.h"
#include "http2_frames.h"

namespace sluice::http {
namespace {

constexpr uint32_t kEnhanceYourCalm = 11;
constexpr uint32_t kProtocolError = 1;
constexpr uint32_t kRefusedStream = 7;

struct Port final : Http2Port {
  void on_body(std::string_view bytes) noexcept override { body += bytes; }
  void on_body_end() noexcept override { has_ended = true; }
  void on_sent() noexcept override { ++sent; }
  void on_closed(bool is_whole) noexcept override {
    ++closed;
    was_whole = is_whole;
  }
  std::string head;
  std::string body;
  bool has_ended = false;
  int sent = 0;
  int closed = 0;
  bool was_whole = false;
};

class Http2 : public testing::Test, public Http2Observer {
 protected:
  Http2Port* on_head(const Http2Head& head) noexcept override {
    if (reused != nullptr) return reused;
    heads.push_back({head.stream, std::string(head.text)});
    if (refuses) return nullptr;
    auto& port = ports[head.stream];
    port = std::make_unique<Port>();
    port->head = head.text;
    return port.get();
  }
  void on_notice_seen() noexcept override { ++notices_seen; }

  void make(Http2Limits limits = {}) {
    session = std::make_unique<Http2Session>(*this, blocks, limits);
    ASSERT_TRUE(session->is_made());
  }
  void open(Http2Limits limits = {}) {
    make(limits);
    feed(std::string(kPreface) + frame(kSettings, 0, 0));
    (void)drain();
  }
  void feed(std::string_view bytes) { session->feed(bytes, now); }
  // All that there is to send, batch by batch.
  std::vector<Frame> drain() {
    while (gather_once()) session->batch_sent();
    return take_frames(wire);
  }
  bool gather_once() {
    std::array<std::string_view, 32> slices;
    const size_t count = session->gather(slices);
    for (size_t i = 0; i < count; ++i) wire += slices[i];
    gathered.assign(slices.begin(), slices.begin() + static_cast<ptrdiff_t>(count));
    return count > 0;
  }
  uint32_t goaway_code() {
    for (const Frame& sent : drain()) {
      if (sent.type == kGoaway) return sent.word(4);
    }
    return UINT32_MAX;
  }
  Port& begin(uint32_t stream, bool ends = true) {
    feed(headers(stream, request(ends ? "GET" : "POST", "/x"), ends));
    return *ports.at(static_cast<int32_t>(stream));
  }

  ByteBudget budget{64 << 20};
  io::BlockPool blocks{budget};
  MonoTime now{seconds(100)};
  std::map<int32_t, std::unique_ptr<Port>> ports;
  std::unique_ptr<Http2Session> session;  // Dies before the ports that it knows.
  std::vector<std::pair<int32_t, std::string>> heads;
  std::vector<std::string_view> gathered;
  std::string wire;
  bool refuses = false;
  Port* reused = nullptr;
  const std::string updates = frame(kWindowUpdate, 0, 0, number(3000, 4));
  int notices_seen = 0;
};

TEST_F(Http2, a_request_becomes_a_head_of_http_11) {
  open();
  feed(headers(1, request("POST", "/v1/x?a=b", {{"x-a", "1"}, {"content-length", "3"}}), false));
  ASSERT_EQ(heads.size(), 1u);
  EXPECT_EQ(heads[0].second,
            "POST /v1/x?a=b HTTP/1.1\r\nhost: api.test\r\nx-a: 1\r\ncontent-length: 3\r\n\r\n");
  feed(frame(kData, kEndStream, 1, "abc"));
  EXPECT_EQ(ports[1]->body, "abc");
  EXPECT_TRUE(ports[1]->has_ended);
}

TEST_F(Http2, every_cut_of_the_bytes_gives_the_same) {
  const std::string all =
      std::string(kPreface) + frame(kSettings, 0, 0) +
      headers(1, request("POST", "/p", {{"cookie", "a=1"}, {"cookie", "b=2"}}), false) +
      frame(kData, kPadded, 1, std::string("\x02hello\0\0", 8)) +
      frame(kData, kEndStream, 1, " you");
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    session.reset();
    ports.clear();
    make();
    feed(std::string_view(all).substr(0, cut));
    (void)drain();
    feed(std::string_view(all).substr(cut));
    ASSERT_EQ(session->fault(), Http2Fault::kNone) << cut;
    ASSERT_EQ(ports.size(), 1u);
    EXPECT_EQ(ports[1]->head, "POST /p HTTP/1.1\r\nhost: api.test\r\ncookie: a=1; b=2\r\n\r\n");
    EXPECT_EQ(ports[1]->body, "hello you");
    EXPECT_TRUE(ports[1]->has_ended);
  }
}

TEST_F(Http2, crumbs_of_cookies_are_joined_over_other_fields) {
  open();
  feed(headers(1, request("GET", "/", {{"cookie", "a=1"}, {"x-b", "2"}, {"cookie", "c=3"}})));
  EXPECT_EQ(heads[0].second,
            "GET / HTTP/1.1\r\nhost: api.test\r\ncookie: a=1; c=3\r\nx-b: 2\r\n\r\n");
}

TEST_F(Http2, malformed_heads_end_their_stream_alone) {
  const std::vector<Fields> bad = {
      {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}},
      {{":method", "GET"}, {":path", "/"}, {":authority", "a"}},
      {{":scheme", "https"}, {":path", "/"}, {":authority", "a"}},
      request("GET", "/", {{"Upper", "1"}}),
      request("GET", "/", {{"connection", "close"}}),
      request("GET", "/", {{"transfer-encoding", "chunked"}}),
      request("GET", "/", {{"keep-alive", "1"}}),
      request("GET", "/", {{"upgrade", "h2c"}}),
      request("GET", "/", {{"te", "gzip"}}),
      request("GET", "/", {{"x-a", "1\r\nx-b: 2"}}),
      request("GET", "/", {{"x-a", std::string("\0", 1)}}),
      request("GET", "/a b"),
      request("GET", "nowhere"),
      request("GET", "/", {{":path", "/again"}}),
      request("GET", "/", {{"a", "b"}, {":late", "1"}}),
      request("GET", "/", {{"content-length", "5"}}),
      request("GET", "/", {{"content-length", "x"}}),
  };
  open({.resets_per_second = 1000});
  uint32_t stream = 1;
  for (const Fields& fields : bad) {
    feed(headers(stream, fields));
    const std::vector<Frame> sent = drain();
    const bool is_reset = std::ranges::any_of(sent, [&](const Frame& one) {
      return one.type == kRstStream && one.stream == stream && one.word(0) == kProtocolError;
    });
    EXPECT_TRUE(is_reset) << stream;
    EXPECT_TRUE(heads.empty()) << stream << heads.back().second;
    heads.clear();
    stream += 2;
  }
  EXPECT_EQ(session->fault(), Http2Fault::kNone);
  begin(stream);
  EXPECT_EQ(heads.size(), 1u);
}

TEST_F(Http2, a_head_above_the_limits_has_no_text) {
  open({.head = {.head_bytes_max = 1024, .header_count_max = 8}});
  feed(headers(1, request("GET", "/", {{"x-long", std::string(2000, 'a')}})));
  Fields many;
  for (int i = 0; i < 9; ++i) many.push_back({"x-a", "1"});
  feed(headers(3, request("GET", "/", many)));
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[0].second, "");
  EXPECT_EQ(heads[1].second, "");
}

TEST_F(Http2, trailers_end_the_body_and_are_dropped) {
  open();
  Port& port = begin(1, false);
  feed(frame(kData, 0, 1, "x") + headers(1, {{"x-trailer", "1"}}));
  EXPECT_TRUE(port.has_ended);
  EXPECT_EQ(heads.size(), 1u);
}

TEST_F(Http2, an_answer_goes_out_with_its_payload_untouched) {
  open();
  Port& port = begin(1);
  const std::string large(5000, 'p');
  const std::string_view slice = large;
  session->respond(port, 200, "x-a: b\r\nX-Upper: c\r\n", false);
  session->send(port, {&slice, 1}, true);
  EXPECT_TRUE(port.is_owing());
  ASSERT_TRUE(gather_once());
  EXPECT_TRUE(std::ranges::any_of(gathered, [&](auto one) { return one.data() == large.data(); }));
  EXPECT_EQ(port.sent, 0);
  session->batch_sent();
  EXPECT_EQ(port.sent, 1);
  EXPECT_EQ(port.closed, 1);
  EXPECT_TRUE(port.was_whole);
  const std::vector<Frame> sent = take_frames(wire);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].type, kHeaders);
  EXPECT_EQ(sent[1].payload, large);
  EXPECT_EQ(sent[1].flags & kEndStream, kEndStream);
}

TEST_F(Http2, an_empty_answer_is_its_head_alone) {
  open();
  Port& port = begin(1);
  session->respond(port, 204, "", true);
  const std::vector<Frame> sent = drain();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].flags & kEndStream, kEndStream);
  EXPECT_EQ(port.sent, 1);
}

TEST_F(Http2, payload_waits_for_the_window_and_goes_on_when_it_opens) {
  open();
  Port& port = begin(1);
  const std::string body(100'000, 'b');
  const std::string_view slice = body;
  session->respond(port, 200, "", false);
  session->send(port, {&slice, 1}, true);
  const auto payload = [](const std::vector<Frame>& frames) {
    size_t bytes = 0;
    for (const Frame& one : frames) bytes += one.type == kData ? one.payload.size() : 0;
    return bytes;
  };
  EXPECT_EQ(payload(drain()), 65'535u);
  EXPECT_EQ(port.sent, 0);
  feed(frame(kWindowUpdate, 0, 1, number(50'000, 4)));
  EXPECT_EQ(payload(drain()), 0u);
  feed(frame(kWindowUpdate, 0, 0, number(10'000, 4)));
  EXPECT_EQ(payload(drain()), 10'000u);
  feed(frame(kWindowUpdate, 0, 0, number(90'000, 4)));
  EXPECT_EQ(payload(drain()), 24'465u);
  EXPECT_EQ(port.sent, 1);
}

TEST_F(Http2, streams_take_turns) {
  open();
  const std::string body(64 * 1024, 'b');
  const std::string_view slice = std::string_view(body).substr(0, 30'000);
  for (const uint32_t stream : {1u, 3u}) {
    Port& port = begin(stream);
    session->respond(port, 200, "", false);
    session->send(port, {&slice, 1}, true);
  }
  std::vector<uint32_t> order;
  for (const Frame& one : drain()) {
    if (one.type == kData) order.push_back(one.stream);
  }
  EXPECT_EQ(order, (std::vector<uint32_t>{1, 3, 1, 3}));
}

TEST_F(Http2, bytes_of_a_stream_that_was_reset_are_not_touched_again) {
  open();
  Port& port = begin(1);
  auto body = std::make_unique<std::string>(200'000, 'b');
  const std::string_view slice = *body;
  session->respond(port, 200, "", false);
  session->send(port, {&slice, 1}, false);
  ASSERT_TRUE(gather_once());
  session->reset(port, false);
  EXPECT_TRUE(port.is_in_batch());
  session->batch_sent();
  EXPECT_EQ(port.sent, 1);
  body.reset();
  bool was_reset = false;
  for (const Frame& one : drain()) was_reset = was_reset || one.type == kRstStream;
  EXPECT_TRUE(was_reset);
  EXPECT_EQ(port.closed, 1);
}

TEST_F(Http2, a_port_may_die_before_its_stream) {
  open();
  Port& port = begin(1);
  const std::string body(200'000, 'b');
  const std::string_view slice = body;
  session->respond(port, 200, "", false);
  session->send(port, {&slice, 1}, false);
  (void)gather_once();
  session->batch_sent();
  session->forget(port);
  ports.clear();
  feed(frame(kWindowUpdate, 0, 0, number(500'000, 4)));
  feed(frame(kWindowUpdate, 0, 1, number(500'000, 4)));
  (void)drain();
  EXPECT_EQ(session->fault(), Http2Fault::kNone);
}

TEST_F(Http2, a_client_that_resets_ends_its_stream) {
  open();
  Port& port = begin(1, false);
  feed(frame(kRstStream, 0, 1, number(8, 4)));
  EXPECT_EQ(port.closed, 1);
  EXPECT_FALSE(port.was_whole);
}

TEST_F(Http2, refused_streams_are_told_so) {
  refuses = true;
  open();
  feed(headers(1, request("GET", "/")));
  const std::vector<Frame> sent = drain();
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(sent.back().type, kRstStream);
  EXPECT_EQ(sent.back().word(0), kRefusedStream);
}

TEST_F(Http2, the_window_of_a_body_opens_only_when_it_is_read) {
  open();
  Port& port = begin(1, false);
  const std::string part(16'000, 'x');
  for (int i = 0; i < 4; ++i) feed(frame(kData, 0, 1, part));
  for (const Frame& one : drain()) EXPECT_FALSE(one.type == kWindowUpdate && one.stream == 1);
  session->consume(port, 64'000);
  bool has_opened = false;
  for (const Frame& one : drain()) {
    has_opened = has_opened || (one.type == kWindowUpdate && one.stream == 1);
  }
  EXPECT_TRUE(has_opened);
}

TEST_F(Http2, a_client_that_overruns_its_window_is_ended) {
  open();
  begin(1, false);
  for (int i = 0; i < 5; ++i) feed(frame(kData, 0, 1, std::string(16'000, 'x')));
  const std::vector<Frame> sent = drain();
  EXPECT_TRUE(std::ranges::any_of(
      sent, [](const Frame& one) { return one.type == kGoaway || one.type == kRstStream; }));
}

TEST_F(Http2, rapid_resets_end_the_connection) {
  open({.resets_per_second = 10});
  uint32_t stream = 1;
  for (int i = 0; i < 10; ++i, stream += 2) {
    begin(stream);
    feed(frame(kRstStream, 0, stream, number(8, 4)));
  }
  EXPECT_EQ(session->fault(), Http2Fault::kNone);
  begin(stream);
  feed(frame(kRstStream, 0, stream, number(8, 4)));
  EXPECT_EQ(session->fault(), Http2Fault::kResets);
  EXPECT_EQ(goaway_code(), kEnhanceYourCalm);
  EXPECT_TRUE(session->is_over());
}

TEST_F(Http2, resets_are_counted_by_the_second) {
  open({.resets_per_second = 10});
  for (uint32_t stream = 1; stream < 200; stream += 2) {
    begin(stream);
    feed(frame(kRstStream, 0, stream, number(8, 4)));
    now += milliseconds(200);
    (void)drain();
  }
  EXPECT_EQ(session->fault(), Http2Fault::kNone);
}

TEST_F(Http2, streams_that_a_client_makes_us_reset_count_too) {
  open({.resets_per_second = 10});
  for (uint32_t stream = 1; stream < 60 && session->fault() == Http2Fault::kNone; stream += 2) {
    begin(stream);
    feed(frame(kWindowUpdate, 0, stream, number(0, 4)));
    (void)drain();
  }
  EXPECT_NE(session->fault(), Http2Fault::kNone);
}

TEST_F(Http2, floods_of_frames_that_carry_nothing_end_the_connection) {
  const std::vector<std::string> floods = {frame(kPing, 0, 0, std::string(8, 'p')),
                                           frame(kSettings, 0, 0),
                                           frame(kPriority, 0, 1, std::string(5, '\0')),
                                           frame(kData, 0, 1),
                                           frame(kData, kPadded, 1, std::string("\x03\0\0\0", 4)),
                                           frame(kWindowUpdate, 0, 0, number(1, 4))};
  for (const std::string& one : floods) {
    session.reset();
    ports.clear();
    open({.control_frames_per_second = 50});
    begin(1, false);
    for (int i = 0; i < 100 && session->fault() == Http2Fault::kNone; ++i) {
      feed(one);
      (void)drain();
    }
    EXPECT_EQ(session->fault(), Http2Fault::kControlFrames) << static_cast<int>(one[3]);
  }
}

TEST_F(Http2, window_updates_that_answer_what_was_sent_are_no_flood) {
  open({.control_frames_per_second = 10});
  Port& port = begin(1);
  session->respond(port, 200, "", false);
  const std::string_view token = "token";
  for (int i = 0; i < 1000; ++i) {
    session->send(port, {&token, 1}, false);
    (void)drain();
    feed(frame(kWindowUpdate, 0, 1, number(5, 4)) + frame(kWindowUpdate, 0, 0, number(5, 4)));
  }
  EXPECT_EQ(session->fault(), Http2Fault::kNone);
}

TEST_F(Http2, a_header_block_without_end_ends_the_connection) {
  open();
  feed(frame(kHeaders, kEndStream, 1, encode(request("GET", "/"))));
  EXPECT_EQ(session->head_began_at(), now);
  for (int i = 0; i < 100 && session->fault() == Http2Fault::kNone; ++i) {
    feed(frame(kContinuation, 0, 1, encode({{"x-a", "1"}})));
  }
  EXPECT_EQ(session->fault(), Http2Fault::kHeaders);
  EXPECT_EQ(goaway_code(), kEnhanceYourCalm);
}

// A block that has ended, however, must not count as one that the client still owes.
TEST_F(Http2, a_header_block_that_is_refused_has_ended) {
  const std::vector<Fields> bad = {
      {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}},
      request("GET", "/", {{"Upper", "1"}}),
      request("GET", "/", {{"content-length", "5"}}),
      request("GET", "/", {{"x-a", "1\r\nx-b: 2"}}),
  };
  open();
  uint32_t stream = 1;
  for (const Fields& fields : bad) {
    feed(headers(stream, fields));
    EXPECT_EQ(session->head_began_at(), MonoTime::max()) << stream;
    stream += 2;
  }
  feed(headers(stream, request("POST", "/"), false));
  feed(headers(stream, {{":status", "200"}}));
  EXPECT_EQ(session->head_began_at(), MonoTime::max());
  feed(headers(stream + 2, request("POST", "/"), false) + headers(stream + 2, {{"a", "b"}}, false));
  EXPECT_EQ(session->head_began_at(), MonoTime::max());
  (void)drain();
  EXPECT_EQ(session->fault(), Http2Fault::kNone);
}

TEST_F(Http2, a_header_block_without_memory_has_ended) {
  open();
  budget.set_ceiling(0);
  feed(headers(1, request("GET", "/")));
  EXPECT_EQ(session->head_began_at(), MonoTime::max());
  EXPECT_TRUE(heads.empty());
}

TEST_F(Http2, a_connection_outlives_a_spent_byte_budget) {
  open();
  Port& port = begin(1);
  budget.set_ceiling(0);
  blocks.drop_cache();
  const std::string_view slice = "answer";
  session->respond(port, 503, "", false);
  session->send(port, {&slice, 1}, true);
  EXPECT_EQ(drain().size(), 2u);
  EXPECT_EQ(port.sent, 1);
  EXPECT_EQ(session->fault(), Http2Fault::kNone);
}

TEST_F(Http2, a_connection_does_not_begin_on_a_spent_byte_budget) {
  budget.set_ceiling(0);
  session = std::make_unique<Http2Session>(*this, blocks, Http2Limits{});
  EXPECT_FALSE(session->is_made());
}

TEST_F(Http2, a_header_block_of_a_stream_that_was_reset_meanwhile_has_ended) {
  open();
  Port& port = begin(1, false);
  feed(frame(kHeaders, kEndStream, 1, encode({{"x-a", "1"}})));
  EXPECT_EQ(session->head_began_at(), now);
  session->reset(port, false);
  (void)drain();
  EXPECT_EQ(session->head_began_at(), MonoTime::max());
  feed(frame(kContinuation, kEndHeaders, 1, encode({{"x-b", "1"}})));
  begin(3);
  EXPECT_EQ(session->fault(), Http2Fault::kNone);
}

// The library says goodbye by itself; nobody waits for the rest of the block then.
TEST_F(Http2, a_header_block_that_breaks_the_connection_has_ended) {
  open();
  feed(frame(kHeaders, kEndStream | kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"));
  (void)drain();
  EXPECT_EQ(session->fault(), Http2Fault::kProtocol);
  EXPECT_EQ(session->head_began_at(), MonoTime::max());
}

TEST_F(Http2, what_is_no_http_2_ends_the_connection) {
  make();
  feed("GET / HTTP/1.1\r\nhost: t\r\n\r\n");
  EXPECT_EQ(session->fault(), Http2Fault::kProtocol);
  (void)drain();
  EXPECT_TRUE(session->is_over());
}

TEST_F(Http2, a_notice_lets_streams_begin_until_it_was_seen) {
  open();
  session->give_notice();
  std::string ping;
  for (const Frame& one : drain()) {
    if (one.type == kPing) ping = one.payload;
  }
  begin(1);
  feed(frame(kPing, kAck, 0, ping));
  EXPECT_EQ(notices_seen, 1);
  session->close();
  Port& port = *ports.at(1);
  session->respond(port, 200, "", true);
  (void)drain();
  EXPECT_EQ(port.sent, 1);
  EXPECT_TRUE(session->is_over());
}

TEST_F(Http2, a_warm_stream_allocates_nothing) {
  open();
  Port warm;
  reused = &warm;
  const std::string body(3000, 'b');
  const std::string_view slice = body;
  uint32_t stream = 1;
  const auto serve_one = [&] {
    const std::string bytes = headers(stream, request("GET", "/"));
    stream += 2;
    std::array<std::string_view, 32> slices;
    const uint64_t before = support::allocations;
    session->feed(bytes, now);
    session->respond(warm, 200, "x-a: b\r\ncontent-type: text/plain\r\n", false);
    session->send(warm, {&slice, 1}, true);
    while (session->gather(slices) > 0) session->batch_sent();
    session->feed(updates, now);
    return support::allocations - before;
  };
  for (int i = 0; i < 20; ++i) (void)serve_one();
  EXPECT_EQ(serve_one(), 0u);
  EXPECT_EQ(warm.sent, 21);
  session.reset();
}

}  // namespace
}  // namespace sluice::http
