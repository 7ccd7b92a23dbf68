// Streams of HTTP/2 on a shard: windows, bodies that nobody reads, and connections that end.
#include <algorithm>

#include <sluice/http/http2_session.h>

#include "../unit/http/http2_frames.h"
#include "served_stage.h"

namespace sluice::sim {
namespace {

using http::Fields;
using http::frame;
using http::number;

const std::string kSecured =
    "tls: {certificates: [{certificate: leaf.pem, key: leaf.key}]}\n"
    "access_log: {enabled: false}\n"
    "timeouts: {first_byte: 1s, head: 1s, body: 2s, keep_alive: 30s, stall: 4s}\n"
    "upstreams:\n"
    "  - {name: a, url: 'https://10.0.1.1:8000', private_addresses: true,"
    " tls: {ca: ca.pem, server_name: upstream.test}}\n"
    "models:\n  - {name: m, routes: [{upstream: a}]}\n";
constexpr uint32_t kInitialWindow = 4;  // Of SETTINGS.
// Above what a stream holds while its answer waits: its head, and the answer.
constexpr uint64_t kAnswered = 12 * 1024;

class Http2Client final : public support::SimPeer {
 public:
  explicit Http2Client(support::SimWorld& world) : SimPeer(world) {}

  void greet(uint32_t window = 1 << 20) {
    send(std::string(http::kPreface) +
         frame(http::kSettings, 0, 0, number(kInitialWindow, 2) + number(window, 4)) +
         frame(http::kWindowUpdate, 0, 0, number(1 << 24, 4)));
  }
  static std::string head(uint32_t stream, const std::string& path, Fields more = {}) {
    return http::headers(stream, http::request("POST", path, std::move(more)), false);
  }
  void ask(uint32_t stream, std::string_view body, const Fields& more = {}) {
    send(head(stream, "/v1/chat/completions", more) +
         frame(http::kData, http::kEndStream, stream, body));
  }
  [[nodiscard]] size_t count(uint8_t type, uint32_t stream) const {
    return static_cast<size_t>(std::ranges::count_if(
        frames, [&](const auto& one) { return one.type == type && one.stream == stream; }));
  }
  [[nodiscard]] bool has_ended(uint32_t stream) const {
    return std::ranges::any_of(frames, [&](const auto& one) {
      return one.stream == stream && (one.type == http::kData || one.type == http::kHeaders) &&
             (one.flags & http::kEndStream) != 0;
    });
  }
  [[nodiscard]] std::string body(uint32_t stream) const {
    std::string text;
    for (const auto& one : frames) {
      if (one.type == http::kData && one.stream == stream) text += one.payload;
    }
    return text;
  }

  std::vector<http::Frame> frames;

 private:
  void on_bytes(std::string_view bytes) override {
    wire_ += bytes;
    for (http::Frame& one : http::take_frames(wire_)) {
      if (one.type == http::kSettings && one.flags == 0) {
        send(frame(http::kSettings, http::kAck, 0));
      }
      frames.push_back(std::move(one));
    }
  }
  void on_ended() override { close(); }

  std::string wire_;
};

class Http2Streams : public ServedStage {
 protected:
  Http2Streams() : ServedStage({.config = kSecured, .is_secured = true, .protocol = "h2"}) {
    servers[0].answer = answer("{}");
    shard.world().serve(
        a(), [this]() -> support::SimPeer& { return shard.world().adopt<ServerPeer>(servers[0]); });
  }
  Http2Client& greeted(uint32_t window = 1 << 20) {
    auto& made = shard.world().connect<Http2Client>(ShardWorld::address());
    made.greet(window);
    EXPECT_TRUE(run_for(milliseconds(5)));
    return made;
  }
  // What bodies and the like hold now, without what is only kept for reuse.
  uint64_t held() {
    shard.worker().blocks().drop_cache();
    return shard.budget().used();
  }
};

TEST_F(Http2Streams, a_request_is_answered) {
  Http2Client& client = greeted();
  client.ask(1, kUnary);
  ASSERT_TRUE(run_until([&] { return client.has_ended(1); }));
  EXPECT_EQ(client.body(1), "{}");
  client.close();
  shard.expect_clean_end();
}

// The answer waits for a window that does not open; what was sent for nothing must not wait along.
TEST_F(Http2Streams, bodies_that_nobody_reads_are_not_held_while_the_answer_waits) {
  constexpr uint32_t kStreams = 20;
  Http2Client& client = greeted(0);
  const std::string part(14'000, 'x');
  const uint64_t before = held();
  for (uint32_t i = 0; i < kStreams; ++i) {
    std::string text = Http2Client::head(2 * i + 1, "/nowhere");
    for (int j = 0; j < 4; ++j) text += frame(http::kData, 0, 2 * i + 1, part);
    client.send(text);
  }
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_EQ(client.count(http::kHeaders, 2 * kStreams - 1), 1u);
  EXPECT_LT(held() - before, kStreams * kAnswered);
  for (uint32_t i = 0; i < kStreams; ++i) {
    client.send(frame(http::kWindowUpdate, 0, 2 * i + 1, number(1 << 20, 4)));
  }
  ASSERT_TRUE(run_until([&] { return client.count(http::kRstStream, 2 * kStreams - 1) == 1; }));
  EXPECT_TRUE(client.has_ended(1));
  EXPECT_NE(client.body(1).find("\"error\""), std::string::npos);
  client.close();
  shard.expect_clean_end();
}

TEST_F(Http2Streams, what_had_come_of_a_body_that_is_too_large_is_not_held_either) {
  constexpr uint32_t kStreams = 20;
  shard.adopt("limits: {body_bytes_max: 50KiB}\n" + kSecured);
  Http2Client& client = greeted(0);
  const std::string part(15'000, 'x');
  const uint64_t before = held();
  for (uint32_t i = 0; i < kStreams; ++i) {
    client.send(Http2Client::head(2 * i + 1, "/v1/chat/completions"));
    for (int j = 0; j < 4; ++j) client.send(frame(http::kData, 0, 2 * i + 1, part));
  }
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_EQ(client.count(http::kHeaders, 2 * kStreams - 1), 1u);
  EXPECT_LT(held() - before, kStreams * kAnswered);
  client.reset();
  shard.expect_clean_end();
}

// Its length fits the first window, what it takes of the window does not (RFC 9113 6.9).
TEST_F(Http2Streams, a_small_body_with_much_padding_is_read_to_its_end) {
  constexpr size_t kBytes = 63'000, kPiece = 1'000;
  Http2Client& client = greeted();
  const std::string body = "{\"model\":\"m\",\"user\":\"";
  const std::string whole = body + std::string(kBytes - body.size() - 2, 'u') + "\"}";
  client.send(
      Http2Client::head(1, "/v1/chat/completions", {{"content-length", std::to_string(kBytes)}}));
  int64_t window = http::Http2Session::kStreamWindow;
  size_t sent = 0, updates = 0;
  while (sent < kBytes) {
    std::string text;
    for (; sent < kBytes && window > 1'300; sent += kPiece, window -= 1 + kPiece + 255) {
      text += frame(http::kData, http::kPadded, 1,
                    "\xff" + whole.substr(sent, kPiece) + std::string(255, '\0'));
    }
    client.send(text);
    ASSERT_TRUE(run_for(milliseconds(10)));
    const size_t before = updates;
    updates = 0;
    for (const auto& one : client.frames) {
      if (one.type != http::kWindowUpdate || one.stream != 1) continue;
      if (++updates > before) window += one.word(0);
    }
    ASSERT_TRUE(updates > before || sent == kBytes) << "no window at " << sent;
  }
  client.send(frame(http::kData, http::kEndStream, 1));
  ASSERT_TRUE(run_until([&] { return client.has_ended(1); }));
  EXPECT_EQ(client.body(1), "{}");
  client.close();
  shard.expect_clean_end();
}

// Some mistakes the library answers by itself; the goodbye is the first that the gateway hears.
TEST_F(Http2Streams, a_connection_that_the_library_ends_leaves_no_request_behind) {
  servers[0].answer.clear();
  Http2Client& client = greeted();
  client.ask(1, kUnary);
  client.ask(3, kUnary);
  ASSERT_TRUE(run_until([&] { return servers[0].held.size() == 2; }));
  client.send(frame(http::kHeaders, http::kEndStream | http::kEndHeaders, 5, "\xff\xff\xff\xff"));
  ASSERT_TRUE(run_for(milliseconds(10)));
  EXPECT_EQ(servers[0].held.size(), 0u);
  EXPECT_TRUE(client.is_over());
  EXPECT_EQ(shard.cells().http2_connections_open.value(), 0);
  EXPECT_EQ(shard.cells().http2_ends[metrics::Http2End::kProtocol].value(), 1u);
  shard.expect_clean_end();
}

TEST_F(Http2Streams, what_a_lost_connection_has_still_said_begins_nothing) {
  servers[0].answer.clear();
  for (int64_t i = 0; i < 40; ++i) {
    Http2Client& client = greeted();
    client.send(Http2Client::head(1, "/v1/chat/completions"));
    ASSERT_TRUE(run_for(milliseconds(1)));
    client.ask(3, kUnary);
    shard.world().after(microseconds(2 * i), [this] { shard.kill_streams(); });
    ASSERT_TRUE(run_for(milliseconds(10)));
    EXPECT_EQ(shard.cells().http2_connections_open.value(), 0) << i;
    client.reset();
  }
  shard.expect_clean_end();
}

TEST_F(Http2Streams, a_limit_of_addresses_that_a_reload_brings_holds_for_open_connections) {
  Http2Client& client = greeted();
  client.ask(1, kUnary);
  ASSERT_TRUE(run_until([&] { return client.has_ended(1); }));
  shard.adopt(kSecured + "rate_limits:\n  - {name: flood, per: ip, requests_per_minute: 1}\n");
  ASSERT_TRUE(run_for(milliseconds(1)));
  client.ask(3, kUnary);
  ASSERT_TRUE(run_until([&] { return client.has_ended(3); }));
  client.ask(5, kUnary);
  ASSERT_TRUE(run_until([&] { return client.has_ended(5); }));
  EXPECT_EQ(client.body(3), "{}");
  EXPECT_NE(client.body(5).find("flood"), std::string::npos) << client.body(5);
  EXPECT_EQ(servers[0].requests.size(), 2u);
  client.close();
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
