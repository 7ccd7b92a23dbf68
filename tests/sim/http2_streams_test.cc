// Streams of HTTP/2 on a shard: windows, bodies that nobody reads, and connections that end.
#include <sluice/http/http2_session.h>

#include "../unit/http/http2_frames.h"
#include "http2_client.h"
#include "served_stage.h"

namespace sluice::sim {
namespace {

const std::string kSecured =
    "tls: {certificates: [{certificate: leaf.pem, key: leaf.key}]}\n"
    "access_log: {enabled: false}\n"
    "timeouts: {first_byte: 1s, head: 1s, body: 2s, keep_alive: 30s, stall: 4s}\n"
    "upstreams:\n"
    "  - {name: a, url: 'https://10.0.1.1:8000', private_addresses: true,"
    " tls: {ca: ca.pem, server_name: upstream.test}}\n"
    "models:\n  - {name: m, routes: [{upstream: a}]}\n";
// Above what a stream holds while its answer waits: its head, and the answer.
constexpr uint64_t kAnswered = 12 * 1024;

Request asking(std::string_view path, std::string payload, std::string_view fields = {}) {
  return {.head = "POST " + std::string(path) + " HTTP/1.1\r\nhost: h\r\n" + std::string(fields) +
                  "content-type: application/json\r\n\r\n",
          .payload = std::move(payload)};
}

class Http2Streams : public ServedStage {
 protected:
  Http2Streams() : ServedStage({.config = kSecured, .is_secured = true, .protocol = "h2"}) {
    servers[0].answer = answer("{}");
    shard.world().serve(
        a(), [this]() -> support::SimPeer& { return shard.world().adopt<ServerPeer>(servers[0]); });
  }
  Http2Client& greeted(Http2Plan plan = {}) {
    plan.stays = true;
    auto& made = shard.world().connect<Http2Client>(ShardWorld::address(), Duration::zero(),
                                                    std::move(plan));
    EXPECT_TRUE(run_for(milliseconds(5)));
    return made;
  }
  static Request unary() { return asking("/v1/chat/completions", std::string(kUnary)); }
  // What bodies and the like hold now, without what is only kept for reuse.
  uint64_t held() {
    shard.worker().blocks().drop_cache();
    return shard.budget().used();
  }
};

TEST_F(Http2Streams, a_request_is_answered) {
  Http2Client& client = greeted();
  const size_t one = client.ask(unary());
  ASSERT_TRUE(run_until([&] { return client.is_whole(one); }));
  EXPECT_EQ(client.body(one), "{}");
  EXPECT_EQ(client.fault(), "");
  client.close();
  shard.expect_clean_end();
}

// The answer waits for a window that does not open; what was sent for nothing must not wait along.
TEST_F(Http2Streams, bodies_that_nobody_reads_are_not_held_while_the_answer_waits) {
  constexpr uint32_t kStreams = 20;
  Http2Client& client = greeted({.window = 0});
  const uint64_t before = held();
  for (uint32_t i = 0; i < kStreams; ++i) {
    client.ask(asking("/nowhere", std::string(56'000, 'x')), false);
  }
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_TRUE(client.has_head(kStreams - 1));
  EXPECT_FALSE(client.is_closed(kStreams - 1));
  EXPECT_EQ(client.uploaded(kStreams - 1), 56'000u);
  EXPECT_LT(held() - before, kStreams * kAnswered);
  for (uint32_t i = 0; i < kStreams; ++i) client.open_window(i, 1 << 20);
  // Its body had not ended: only a reset ends it.
  ASSERT_TRUE(run_until([&] { return client.is_closed(kStreams - 1); }));
  EXPECT_TRUE(client.is_whole(0));
  EXPECT_NE(client.body(0).find("\"error\""), std::string::npos);
  client.close();
  shard.expect_clean_end();
}

TEST_F(Http2Streams, what_had_come_of_a_body_that_is_too_large_is_not_held_either) {
  constexpr uint32_t kStreams = 20;
  shard.adopt("limits: {body_bytes_max: 50KiB}\n" + kSecured);
  Http2Client& client = greeted({.window = 0});
  const uint64_t before = held();
  for (uint32_t i = 0; i < kStreams; ++i) {
    client.ask(asking("/v1/chat/completions", std::string(60'000, 'x')), false);
  }
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_TRUE(client.has_head(kStreams - 1));
  EXPECT_LT(held() - before, kStreams * kAnswered);
  client.reset();
  shard.expect_clean_end();
}

// Its length fits the first window, what it takes of the window does not (RFC 9113 6.9).
TEST_F(Http2Streams, a_small_body_with_much_padding_is_read_to_its_end) {
  constexpr size_t kBytes = 63'000, kPiece = 1'000, kPadding = 255;
  static_assert(kBytes < http::Http2Session::kStreamWindow);
  static_assert(kBytes / kPiece * (kPiece + 1 + kPadding) > http::Http2Session::kStreamWindow);
  Http2Client& client = greeted({.upload_bytes = kPiece,
                                 .upload_pause = microseconds(100),
                                 .says_length = true,
                                 .padding = kPadding});
  const std::string body = "{\"model\":\"m\",\"user\":\"";
  const size_t one = client.ask(asking("/v1/chat/completions",
                                       body + std::string(kBytes - body.size() - 2, 'u') + "\"}",
                                       "content-length: " + std::to_string(kBytes) + "\r\n"));
  ASSERT_TRUE(run_until([&] { return client.is_whole(one); }));
  EXPECT_EQ(client.body(one), "{}");
  client.close();
  shard.expect_clean_end();
}

// Some mistakes the library answers by itself; the goodbye is the first that the gateway hears.
TEST_F(Http2Streams, a_connection_that_the_library_ends_leaves_no_request_behind) {
  servers[0].answer.clear();
  Http2Client& client = greeted();
  client.ask(unary());
  client.ask(unary());
  ASSERT_TRUE(run_until([&] { return servers[0].held.size() == 2; }));
  client.send(
      http::frame(http::kHeaders, http::kEndStream | http::kEndHeaders, 5, "\xff\xff\xff\xff"));
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
    client.ask(asking("/v1/chat/completions", ""), false);
    ASSERT_TRUE(run_for(milliseconds(1)));
    client.ask(unary());
    shard.world().after(microseconds(2 * i), [this] { shard.kill_streams(); });
    ASSERT_TRUE(run_for(milliseconds(10)));
    EXPECT_EQ(shard.cells().http2_connections_open.value(), 0) << i;
    client.reset();
  }
  shard.expect_clean_end();
}

TEST_F(Http2Streams, a_limit_of_addresses_that_a_reload_brings_holds_for_open_connections) {
  Http2Client& client = greeted();
  const size_t before = client.ask(unary());
  ASSERT_TRUE(run_until([&] { return client.is_whole(before); }));
  shard.adopt(kSecured + "rate_limits:\n  - {name: flood, per: ip, requests_per_minute: 1}\n");
  ASSERT_TRUE(run_for(milliseconds(1)));
  const size_t first = client.ask(unary());
  ASSERT_TRUE(run_until([&] { return client.is_whole(first); }));
  const size_t second = client.ask(unary());
  ASSERT_TRUE(run_until([&] { return client.is_whole(second); }));
  EXPECT_EQ(client.body(first), "{}");
  EXPECT_NE(client.body(second).find("flood"), std::string::npos) << client.body(second);
  EXPECT_EQ(servers[0].requests.size(), 2u);
  client.close();
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
