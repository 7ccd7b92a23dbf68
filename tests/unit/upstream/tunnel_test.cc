#include "tunnel.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sluice/upstream/pool.h>

#include "sim_world.h"
#include "test_certificates.h"

namespace sluice::upstream {
namespace {

using support::sim_address;
using support::SimPeer;

Reach reach_through_proxy() {
  Reach reach{.host = "upstream.test", .port = 443, .private_addresses = false, .proxy = {}};
  reach.proxy.emplace();
  reach.proxy->authorization = "Basic c2VjcmV0";
  reach.proxy->allow_private = true;
  return reach;
}

TEST(TunnelRequest, names_the_upstream_unresolved) {
  Reach reach = reach_through_proxy();
  EXPECT_EQ(tunnel_request(reach),
            "CONNECT upstream.test:443 HTTP/1.1\r\nhost: upstream.test:443\r\n"
            "proxy-authorization: Basic c2VjcmV0\r\n\r\n");
  reach.host = "2a00::1";
  reach.port = 80;
  reach.proxy->authorization.clear();
  EXPECT_EQ(tunnel_request(reach), "CONNECT [2a00::1]:80 HTTP/1.1\r\nhost: [2a00::1]:80\r\n\r\n");
}

class TunnelTest : public testing::Test {
 protected:
  TunnelTest() {
    world_.serve(proxy_address(), [this]() -> SimPeer& {
      SimPeer& peer = world_.adopt();
      if (layer_) peer.set_layer(layer_());
      peer.when_ended = [&peer] { peer.close(); };
      peer.when_bytes = [this, &peer](std::string_view) {
        if (!peer.received().ends_with("\r\n\r\n") || is_silent_) return;
        for (const std::string& part : answer_) peer.send(part);
        if (hangs_up_) peer.close();
      };
      peers_.push_back(&peer);
      return peer;
    });
  }
  ~TunnelTest() override {
    held_ = Lease();
    if (!pool_) return;
    pool_->close();
    EXPECT_TRUE(world_.run_until(ring_, [this] { return pool_->is_empty(); }));
    EXPECT_EQ(cells_.connections_open.value(), 0);
  }
  static net::Address proxy_address() { return sim_address("10.0.3.1", 3128); }

  Task<void> dial(io::Event* gone) {
    Result<Lease> lease = co_await pool_->dial(Deadline::after(ring_.now(), seconds(1)), gone);
    if (lease) {
      held_ = std::move(*lease);
    } else {
      error_ = lease.error();
    }
    is_dialled_ = true;
  }
  void start_dial(io::Event* gone = nullptr, std::unique_ptr<net::TlsClient> tls = nullptr) {
    pool_.emplace(ring_, config::PoolLimits{}, cells_, reach_);
    pool_->set_tls(std::move(tls));
    pool_->set_addresses({proxy_address()});
    io::start_detached(dial(gone));
  }
  // "" when the tunnel is open, else why not.
  std::string outcome(std::vector<std::string> answer) {
    answer_ = std::move(answer);
    start_dial();
    EXPECT_TRUE(world_.run_until(ring_, [this] { return is_dialled_; }));
    if (!error_) return "";
    EXPECT_EQ(error_->code, ErrorCode::kUpstreamConnect);
    EXPECT_EQ(error_->retry, Retry::kYes);
    return std::string(error_->detail);
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  metrics::UpstreamCells cells_;
  Reach reach_ = reach_through_proxy();
  std::vector<std::string> answer_;
  std::function<std::unique_ptr<support::PeerLayer>()> layer_;
  bool is_silent_ = false;
  bool hangs_up_ = false;
  std::vector<SimPeer*> peers_;
  std::optional<Pool> pool_;
  Lease held_;
  std::optional<Error> error_;
  bool is_dialled_ = false;
};

TEST_F(TunnelTest, a_2xx_answer_opens_it) {
  EXPECT_EQ(outcome({"HTTP/1.1 200 Connection established\r\n\r\n"}), "");
  ASSERT_TRUE(held_.is_held());
  EXPECT_EQ(peers_.at(0)->received(), tunnel_request(reach_));
  EXPECT_TRUE(held_->stream.is_receiving());
}

TEST_F(TunnelTest, body_framing_of_a_success_means_nothing) {
  EXPECT_EQ(outcome({"HTTP/1.0 200 OK\r\ncontent-length: 9\r\nvia: 1.1 p\r\n\r\n"}), "");
}

TEST_F(TunnelTest, interim_answers_are_passed_over) {
  EXPECT_EQ(outcome({"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}),
            "");
}

TEST_F(TunnelTest, an_answer_may_come_byte_by_byte) {
  std::vector<std::string> bytes;
  for (const char byte : std::string_view("HTTP/1.1 200 OK\r\nvia: p\r\n\r\n")) {
    bytes.emplace_back(1, byte);
  }
  EXPECT_EQ(outcome(bytes), "");
}

// A proxy that lets the bytes behind CONNECT through to a TLS server.
class ProxyLayer final : public support::PeerLayer {
 public:
  explicit ProxyLayer(std::unique_ptr<PeerLayer> upstream) : upstream_(std::move(upstream)) {}

  std::string begin() override { return ""; }
  std::string unwrap(std::string_view received, std::string& wire) override {
    if (is_open_) return upstream_->unwrap(received, wire);
    request_ += received;
    is_open_ = request_.ends_with("\r\n\r\n");
    if (is_open_) wire += "HTTP/1.1 200 Connection established\r\n\r\n";
    return "";
  }
  std::string wrap(std::string_view bytes) override { return upstream_->wrap(bytes); }
  std::string end() override { return is_open_ ? upstream_->end() : ""; }

 private:
  std::unique_ptr<PeerLayer> upstream_;
  std::string request_;
  bool is_open_ = false;
};

TEST_F(TunnelTest, d062_tls_runs_within_it_and_asks_for_the_upstreams_name) {
  const WallTime now = SystemClock().wall();
  const auto authority = support::make_certificate(
      {.common_name = "authority", .subject_alt_name = "", .is_authority = true, .now = now});
  const auto leaf = support::make_certificate(
      {.subject_alt_name = "DNS:upstream.test", .issuer = &authority, .now = now});
  layer_ = [&] {
    return std::make_unique<ProxyLayer>(support::make_tls_server_layer(leaf.pem, leaf.key_pem));
  };
  const std::vector<std::optional<net::TlsClientSettings>> settings = {
      net::TlsClientSettings{.ca_pem = authority.pem, .pins = {}, .server_name = reach_.host}};
  net::SystemAuthorities system;
  auto clients = net::TlsClient::make(settings, system);
  ASSERT_TRUE(clients.has_value());
  start_dial(nullptr, std::move((*clients)[0]));
  ASSERT_TRUE(world_.run_until(ring_, [this] { return is_dialled_; }));
  EXPECT_FALSE(error_) << error_->detail;
  ASSERT_TRUE(held_.is_held());
  const std::string_view request = "GET / HTTP/1.1\r\n\r\n";
  held_->stream.start_send({&request, 1});
  ASSERT_TRUE(world_.run_until(ring_, [&] { return peers_.at(0)->received() == request; }));
  ASSERT_TRUE(held_->stream.take_sent());
}

TEST_F(TunnelTest, a_kept_connection_needs_no_second_tunnel) {
  EXPECT_EQ(outcome({"HTTP/1.1 200 OK\r\n\r\n"}), "");
  held_.check_in();
  held_ = pool_->take_idle();
  EXPECT_TRUE(held_.is_held());
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(TunnelTest, refused_authorization_is_named_without_the_secret) {
  EXPECT_EQ(outcome({"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"}),
            "proxy: its authorization is missing or wrong (407)");
}

TEST_F(TunnelTest, an_unreachable_upstream_is_named) {
  EXPECT_EQ(outcome({"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\nhello"}),
            "proxy: cannot reach the upstream (502)");
}

TEST_F(TunnelTest, a_redirect_is_not_followed) {
  EXPECT_EQ(outcome({"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\n\r\n"}),
            "proxy: answered CONNECT with a status other than 2xx");
}

TEST_F(TunnelTest, bytes_behind_the_answer_are_refused) {
  EXPECT_EQ(outcome({"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}),
            "proxy: sent more than its answer");
}

TEST_F(TunnelTest, garbage_is_refused) {
  EXPECT_EQ(outcome({"SSH-2.0-OpenSSH_9.2\r\n"}), "proxy: its answer is not valid HTTP");
}

TEST_F(TunnelTest, an_endless_answer_is_refused) {
  std::vector<std::string> parts = {"HTTP/1.1 200 OK\r\n"};
  for (int i = 0; i < 100; ++i) parts.push_back("x: " + std::string(100, 'y') + "\r\n");
  EXPECT_TRUE(outcome(parts).starts_with("proxy: its answer is "));
}

TEST_F(TunnelTest, endless_interim_answers_are_refused) {
  EXPECT_EQ(outcome(std::vector<std::string>(400, "HTTP/1.1 100 Continue\r\n\r\n")),
            "proxy: its answer is too long");
}

TEST_F(TunnelTest, a_proxy_that_closes_is_an_error) {
  hangs_up_ = true;
  EXPECT_EQ(outcome({"HTTP/1.1 200 O"}), "proxy: closed the connection");
}

TEST_F(TunnelTest, the_connect_timeout_bounds_it) {
  is_silent_ = true;
  const MonoTime begun = ring_.now();
  EXPECT_EQ(outcome({}), "proxy: no answer in time");
  EXPECT_LE(ring_.now() - begun, milliseconds(1005));
}

TEST_F(TunnelTest, d109_a_client_that_leaves_ends_it_at_once) {
  is_silent_ = true;
  io::Event gone(ring_.ready());
  start_dial(&gone);
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(500)));
  ASSERT_FALSE(is_dialled_);
  gone.trigger();
  ASSERT_TRUE(world_.run_until(ring_, [this] { return is_dialled_; }));
  EXPECT_EQ(error_->code, ErrorCode::kDownstreamLost);
}

TEST_F(TunnelTest, d61_the_proxys_own_address_has_its_own_rule) {
  reach_.proxy->allow_private = false;
  reach_.private_addresses = true;
  EXPECT_EQ(outcome({}), "address not allowed");
  EXPECT_TRUE(peers_.empty());
}

TEST_F(TunnelTest, d56_a_numeric_upstream_is_held_to_the_rule_behind_a_proxy_too) {
  reach_.host = "169.254.169.254";
  EXPECT_EQ(outcome({}), "address not allowed");
  EXPECT_EQ(error_->side, Side::kSelf);
  EXPECT_TRUE(peers_.empty());
}

}  // namespace
}  // namespace sluice::upstream
