#include <sluice/control/small_server.h>

#include <gtest/gtest.h>

#include <optional>

#include <sluice/http/response_parser.h>
#include <sluice/net/listener.h>

#include "sim_world.h"

namespace sluice::control {
namespace {

using support::SimPeer;
using support::SimWorld;

// Repeats the request; counts calls.
class EchoService final : public SmallService {
 public:
  Task<SmallAnswer> answer(const SmallRequest& request) override {
    ++calls;
    last_content_type = request.content_type;
    last_has_origin = request.has_origin;
    last = request;
    SmallAnswer answer;
    answer.body = request.path + "|" + request.body;
    co_return answer;
  }
  int calls = 0;
  std::string last_content_type;
  bool last_has_origin = false;
  SmallRequest last;
};

class SmallServerTest : public ::testing::Test {
 protected:
  void start(SmallServerLimits limits = {}) {
    const auto fd = net::open_listener(world_.syscalls(), kAddress, {});
    ASSERT_TRUE(fd);
    server_.emplace(ring_, *fd, "test", service_, log_, limits);
  }
  void TearDown() override {
    if (server_) close_server();
  }
  void close_server() {
    bool is_done = false;
    io::start_detached(close_and_tell(&is_done));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_done; }));
    EXPECT_EQ(server_->connection_count(), 0u);
    server_.reset();
  }
  Task<void> close_and_tell(bool* is_done) {
    co_await server_->close();
    *is_done = true;
  }
  bool run_until(const std::function<bool()>& is_done) { return world_.run_until(ring_, is_done); }
  SimPeer& ask(std::string request) {
    SimPeer& peer = world_.connect(kAddress);
    peer.when_connected = [&peer, request = std::move(request)] { peer.send(request); };
    return peer;
  }
  static bool has_answer(const SimPeer& peer, std::string_view end) {
    return peer.received().ends_with(end);
  }

  const net::Address kAddress = support::sim_address("127.0.0.1", 900);
  SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 256}};
  EchoService service_;
  NullLogger log_;
  std::optional<SmallServer> server_;
};

TEST_F(SmallServerTest, answers_and_keeps_the_connection) {
  start();
  SimPeer& peer = ask("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return has_answer(peer, "/a|"); }));
  EXPECT_TRUE(peer.received().starts_with("HTTP/1.1 200 OK\r\n"));
  peer.send("GET /b HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return has_answer(peer, "/b|"); }));
  EXPECT_FALSE(peer.is_over());
  EXPECT_EQ(service_.calls, 2);
}

TEST_F(SmallServerTest, pipelined_requests_are_answered_in_order) {
  start();
  SimPeer& peer = ask("GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return has_answer(peer, "/2|"); }));
  EXPECT_LT(peer.received().find("/1|"), peer.received().find("/2|"));
}

TEST_F(SmallServerTest, requests_split_at_every_byte_are_understood) {
  start();
  const std::string request =
      "POST /p HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
      "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (size_t cut = 1; cut < request.size(); ++cut) {
    SimPeer& peer = world_.connect(kAddress);
    peer.when_connected = [&peer, &request, cut] {
      peer.send(request.substr(0, cut));
      peer.send(request.substr(cut), milliseconds(5));
    };
    ASSERT_TRUE(run_until([&] { return has_answer(peer, "/p|abcde"); })) << cut;
    peer.close();
  }
  EXPECT_EQ(service_.last_content_type, "application/json");
}

TEST_F(SmallServerTest, body_by_length_is_read_whole) {
  start();
  SimPeer& peer = world_.connect(kAddress);
  peer.when_connected = [&peer] {
    peer.send("POST /p HTTP/1.1\r\nhost: x\r\norigin: http://a\r\ncontent-length: 5\r\n\r\n12");
    peer.send("345", milliseconds(10));
  };
  ASSERT_TRUE(run_until([&] { return has_answer(peer, "/p|12345"); }));
  EXPECT_TRUE(service_.last_has_origin);
}

TEST_F(SmallServerTest, a_request_has_its_query_its_headers_and_its_peer) {
  start();
  SimPeer& peer = ask(
      "GET /a?b=c HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\nidempotency-key: k\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return has_answer(peer, "/a|"); }));
  EXPECT_EQ(service_.last.query, "b=c");
  EXPECT_EQ(service_.last.authorization, "Bearer t");
  EXPECT_EQ(service_.last.idempotency_key, "k");
  EXPECT_FALSE(service_.last.peer.process);
  EXPECT_FALSE(service_.last.peer.address.empty());
}

TEST_F(SmallServerTest, d086_no_cache_keeps_an_answer_and_no_browser_guesses_its_type) {
  start();
  SimPeer& peer = ask("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return has_answer(peer, "/a|"); }));
  EXPECT_TRUE(peer.received().contains("cache-control: no-store\r\n"));
  EXPECT_TRUE(peer.received().contains("x-content-type-options: nosniff\r\n"));
  EXPECT_TRUE(peer.received().contains(
      "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"));
  EXPECT_TRUE(peer.received().contains("x-frame-options: DENY\r\n"));
  EXPECT_TRUE(peer.received().contains("referrer-policy: no-referrer\r\n"));
  EXPECT_TRUE(peer.received().contains("permissions-policy: camera=()"));
  EXPECT_FALSE(peer.received().contains("strict-transport-security"));
}

TEST_F(SmallServerTest, d010_body_above_the_limit_is_413_before_it_is_read) {
  start();
  SimPeer& peer = ask("POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 1048577\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return peer.received().contains("request_too_large"); }));
  EXPECT_TRUE(peer.received().starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(peer.received().contains("connection: close\r\n"));
  EXPECT_EQ(service_.calls, 0);
}

TEST_F(SmallServerTest, d010_chunked_body_above_the_limit_is_413_too) {
  start({.body_bytes_max = 100});
  SimPeer& peer = ask("POST /p HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n40\r\n" +
                      std::string(64, 'a') + "\r\n40\r\n" + std::string(64, 'b') + "\r\n");
  ASSERT_TRUE(run_until([&] { return peer.received().contains("request_too_large"); }));
  EXPECT_TRUE(peer.received().starts_with("HTTP/1.1 413 "));
  EXPECT_EQ(service_.calls, 0);
  // What is still on its way must not reset the connection under the answer.
  peer.send(std::string(100'000, 'c'));
  ASSERT_TRUE(run_until([&] { return peer.is_over(); }));
  EXPECT_FALSE(peer.saw_reset());
}

TEST_F(SmallServerTest, expectation_is_met_before_the_body_comes) {
  start();
  SimPeer& peer =
      ask("POST /p HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return peer.received().contains("100 Continue\r\n\r\n"); }));
  peer.send("ok");
  ASSERT_TRUE(run_until([&] { return has_answer(peer, "/p|ok"); }));
}

TEST_F(SmallServerTest, malformed_head_is_answered_and_closed) {
  start();
  SimPeer& peer = ask("GET /a HTTP/1.1\r\nhost : x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return peer.is_over(); }));
  EXPECT_TRUE(peer.received().starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(peer.received().contains("malformed_request"));
}

TEST_F(SmallServerTest, head_above_16_kib_is_431) {
  start();
  SimPeer& peer = ask("GET /a HTTP/1.1\r\nhost: x\r\nx: " + std::string(20'000, 'a') + "\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return peer.received().contains("\r\n\r\n"); }));
  EXPECT_TRUE(peer.received().starts_with("HTTP/1.1 431 "));
}

TEST_F(SmallServerTest, half_a_head_is_cut_when_its_time_is_up) {
  start();
  SimPeer& peer = ask("GET /a HTT");
  const MonoTime begun = world_.clock().now();
  ASSERT_TRUE(run_until([&] { return server_->connection_count() == 1; }));
  ASSERT_TRUE(run_until([&] { return server_->connection_count() == 0; }));
  EXPECT_GE(world_.clock().now() - begun, seconds(10));
  EXPECT_LT(world_.clock().now() - begun, seconds(11));
  ASSERT_TRUE(run_until([&] { return peer.is_over(); }));
}

TEST_F(SmallServerTest, idle_connection_is_closed_after_its_time) {
  start();
  SimPeer& peer = ask("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return has_answer(peer, "/a|"); }));
  ASSERT_TRUE(run_until([&] { return peer.is_over(); }));
}

TEST_F(SmallServerTest, connection_above_the_limit_is_closed_and_others_live_on) {
  start({.connections_max = 2});
  SimPeer& first = ask("GET /1 HTTP/1.1\r\nhost: x\r\n\r\n");
  SimPeer& second = ask("GET /2 HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return has_answer(first, "/1|") && has_answer(second, "/2|"); }));
  SimPeer& third = ask("GET /3 HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return third.is_over(); }));
  EXPECT_EQ(third.received(), "");
  first.send("GET /4 HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return has_answer(first, "/4|"); }));
}

TEST_F(SmallServerTest, client_that_reads_nothing_is_cut) {
  start({.send = seconds(3)});
  world_.set_peer_window(1024);
  SimPeer& peer = world_.connect(kAddress);
  peer.stall_reading();
  const std::string body(500'000, 'a');
  peer.when_connected = [&peer, &body] {
    peer.send("POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  };
  ASSERT_TRUE(run_until([&] { return service_.calls == 1; }));
  ASSERT_TRUE(run_until([&] { return server_->connection_count() == 0; }));
}

TEST_F(SmallServerTest, close_cuts_open_connections) {
  start();
  SimPeer& peer = ask("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return has_answer(peer, "/a|"); }));
  close_server();
  ASSERT_TRUE(run_until([&] { return peer.is_over(); }));
}

}  // namespace
}  // namespace sluice::control
