#include <sluice/http/client.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "sim_world.h"
#include "test_certificates.h"

namespace sluice::http {
namespace {

using Answer = Result<ClientAnswer>;

class FakeNames final : public net::Resolver {
 public:
  explicit FakeNames(io::Ring& ring) : answer_(ring.ready()) {}
  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string host,
                                                                   uint16_t port) override {
    ++questions;
    if (hangs) co_await io::first_of(&answer_);
    const auto number = net::parse_address(host, port);
    if (number) co_return net::NameAnswer{.addresses = {*number}, .valid_for = seconds(1)};
    const auto known = names.find(host);
    if (known == names.end()) co_return std::unexpected("cannot resolve " + host);
    co_return net::NameAnswer{.addresses = {*net::parse_address(known->second, port)},
                              .valid_for = seconds(1)};
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string) override {
    co_return std::vector<net::ServiceRecord>{};
  }
  Task<void> end() override { co_return; }
  void answer() { answer_.trigger(); }

  std::map<std::string, const char*> names;
  bool hangs = false;
  int questions = 0;

 private:
  io::Event answer_;
};

std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class ClientTest : public testing::Test {
 protected:
  ~ClientTest() override {
    if (client_ != nullptr) EXPECT_TRUE(end());
  }
  // A server at 10.0.0.1:80. `react` is told of each piece that arrives.
  void serve(std::function<void(support::SimPeer&, std::string_view)> react) {
    react_ = std::move(react);
    world_.serve(support::sim_address("10.0.0.1", 80), [this]() -> support::SimPeer& {
      support::SimPeer& peer = world_.adopt();
      peers_.push_back(&peer);
      peer.when_bytes = [this, &peer](std::string_view bytes) {
        if (react_) react_(peer, bytes);
      };
      return peer;
    });
  }
  void make(ClientOptions options = {}) {
    if (options.url.empty()) options.url = "http://10.0.0.1/base";
    options.private_addresses = true;
    auto made = Client::make(ring_, names_, std::move(options));
    ASSERT_TRUE(made.has_value()) << made.error();
    client_ = *std::move(made);
  }
  Task<void> get_task(std::string path, Deadline deadline, std::optional<Answer>* out) {
    Answer answer = co_await client_->get(std::move(path), deadline);
    out->emplace(std::move(answer));
  }
  Task<void> post_task(std::string body, Deadline deadline, std::optional<Answer>* out) {
    Answer answer = co_await client_->post("/x", "application/json", std::move(body), deadline);
    out->emplace(std::move(answer));
  }
  void begin(std::optional<Answer>* out, Duration patience = seconds(1)) {
    io::start_detached(get_task("/x", Deadline::after(ring_.now(), patience), out));
  }
  Answer wait(std::optional<Answer>& out) {
    EXPECT_TRUE(world_.run_until(ring_, [&] { return out.has_value(); }));
    return std::move(*out);
  }
  Answer get(Duration patience = seconds(1)) {
    std::optional<Answer> out;
    begin(&out, patience);
    return wait(out);
  }
  Answer post(std::string body) {
    std::optional<Answer> out;
    io::start_detached(post_task(std::move(body), Deadline::after(ring_.now(), seconds(1)), &out));
    return wait(out);
  }
  Task<void> end_task(bool* is_over) {
    co_await client_->end();
    *is_over = true;
  }
  bool end() {
    bool is_over = false;
    io::start_detached(end_task(&is_over));
    const bool is_good = world_.run_until(ring_, [&] { return is_over; });
    client_.reset();
    return is_good;
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  FakeNames names_{ring_};
  std::function<void(support::SimPeer&, std::string_view)> react_;
  std::vector<support::SimPeer*> peers_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, one_connection_serves_call_after_call) {
  serve([](support::SimPeer& peer, std::string_view) { peer.send(ok("{}")); });
  make({.url = "http://10.0.0.1/base?q=1", .headers = {{"authorization", "Bearer t"}}});
  for (int i = 0; i < 3; ++i) {
    const Answer answer = get();
    ASSERT_TRUE(answer.has_value()) << answer.error().detail;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "{}");
  }
  EXPECT_EQ(post("{\"a\":1}")->body, "{}");
  ASSERT_EQ(peers_.size(), 1u);
  EXPECT_TRUE(peers_[0]->received().starts_with(
      "GET /base/x?q=1 HTTP/1.1\r\nhost: 10.0.0.1\r\naccept: application/json\r\n"
      "authorization: Bearer t\r\n\r\n"))
      << peers_[0]->received();
  EXPECT_TRUE(peers_[0]->received().ends_with(
      "content-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}"));
}

TEST_F(ClientTest, chunked_answers_in_pieces) {
  serve([](support::SimPeer& peer, std::string_view) {
    peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab");
    peer.send("c\r\n2\r\nde\r\n0\r\n\r\n", milliseconds(10));
  });
  make();
  EXPECT_EQ(get()->body, "abcde");
  EXPECT_EQ(get()->body, "abcde");
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(ClientTest, an_idle_connection_that_the_server_closed_is_not_used) {
  serve([](support::SimPeer& peer, std::string_view) {
    peer.send(ok("1"));
    peer.close(milliseconds(5));
  });
  make();
  EXPECT_EQ(get()->body, "1");
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(50)));
  EXPECT_EQ(get()->body, "1");
  EXPECT_EQ(peers_.size(), 2u);
}

TEST_F(ClientTest, one_that_is_closed_under_a_call_is_replaced_once) {
  int answers = 0;
  serve([&](support::SimPeer& peer, std::string_view) {
    if (answers++ % 2 == 0) {
      peer.send(ok("1"));
    } else {
      peer.reset();
    }
  });
  make();
  EXPECT_EQ(get()->body, "1");
  EXPECT_EQ(get()->body, "1");  // The second question was lost with the first connection.
  EXPECT_EQ(peers_.size(), 2u);
}

TEST_F(ClientTest, a_fresh_connection_that_is_lost_is_an_error) {
  serve([](support::SimPeer& peer, std::string_view) { peer.reset(); });
  make();
  const Answer answer = get();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kUpstreamLost);
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(ClientTest, an_answer_that_is_cut_is_an_error) {
  serve([](support::SimPeer& peer, std::string_view) {
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi");
    peer.close();
  });
  make();
  ASSERT_FALSE(get().has_value());
}

TEST_F(ClientTest, a_server_that_hangs_costs_the_deadline) {
  serve([](support::SimPeer&, std::string_view) {});
  make();
  const MonoTime begun = ring_.now();
  const Answer answer = get(milliseconds(100));
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kUpstreamTimeout);
  EXPECT_LE(ring_.now() - begun, milliseconds(150));
  // The next call does not get the late connection.
  react_ = [](support::SimPeer& peer, std::string_view) { peer.send(ok("2")); };
  EXPECT_EQ(get()->body, "2");
  EXPECT_EQ(peers_.size(), 2u);
}

TEST_F(ClientTest, a_server_that_takes_nothing_costs_the_deadline) {
  serve({});
  make();
  std::optional<Answer> out;
  io::start_detached(post_task(std::string(2'000'000, 'x'),
                               Deadline::after(ring_.now(), milliseconds(200)), &out));
  ASSERT_TRUE(world_.run_until(ring_, [&] { return !peers_.empty(); }));
  peers_[0]->stall_reading();
  ASSERT_FALSE(wait(out).has_value());
}

TEST_F(ClientTest, a_refusal_before_all_was_read_counts) {
  serve([](support::SimPeer& peer, std::string_view) {
    peer.stall_reading();
    peer.send("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n");
  });
  make();
  EXPECT_EQ(post(std::string(2'000'000, 'x'))->status, 413);
}

TEST_F(ClientTest, idle_connections_are_closed) {
  serve([](support::SimPeer& peer, std::string_view) { peer.send(ok("1")); });
  make();
  EXPECT_EQ(get()->body, "1");
  ASSERT_TRUE(world_.run_for(ring_, Client::kIdleMost - seconds(1)));
  EXPECT_FALSE(peers_[0]->saw_end());
  ASSERT_TRUE(world_.run_for(ring_, seconds(2)));
  EXPECT_TRUE(peers_[0]->saw_end());
  EXPECT_EQ(get()->body, "1");
}

TEST_F(ClientTest, so_many_calls_at_a_time_and_the_others_wait) {
  std::vector<support::SimPeer*> asked;
  serve([&](support::SimPeer& peer, std::string_view) { asked.push_back(&peer); });
  make();
  constexpr size_t kCalls = Client::kConnectionsMost + 3;
  std::vector<std::optional<Answer>> out(kCalls);
  for (auto& one : out) begin(&one, seconds(10));
  std::optional<Answer> impatient;
  begin(&impatient, milliseconds(50));
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(200)));
  EXPECT_EQ(peers_.size(), Client::kConnectionsMost);
  ASSERT_TRUE(impatient.has_value());
  EXPECT_EQ(impatient->error().code, ErrorCode::kUpstreamTimeout);
  react_ = [](support::SimPeer& peer, std::string_view) { peer.send(ok("1")); };
  for (support::SimPeer* peer : asked) peer->send(ok("1"));
  const auto is_answered = [](const std::optional<Answer>& one) { return one.has_value(); };
  ASSERT_TRUE(world_.run_until(ring_, [&] { return std::ranges::all_of(out, is_answered); }));
  for (auto& one : out) EXPECT_TRUE(one->has_value());
  EXPECT_EQ(peers_.size(), Client::kConnectionsMost);
  EXPECT_EQ(names_.questions, 1);
}

TEST_F(ClientTest, d061_a_name_that_leads_to_a_private_address_is_refused_at_each_dial) {
  serve([](support::SimPeer& peer, std::string_view) {
    peer.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  });
  names_.names["hook.example"] = "10.0.0.1";
  auto made = Client::make(ring_, names_, {.url = "http://hook.example/"});
  ASSERT_TRUE(made.has_value());
  client_ = *std::move(made);
  const Answer answer = get();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().detail, "its address may not be dialled (private_addresses)");
  ASSERT_TRUE(end());
  // Nobody can allow these.
  make({.url = "http://meta.example/"});
  names_.names["meta.example"] = "169.254.169.254";
  EXPECT_FALSE(get().has_value());
  names_.names["meta.example"] = "10.0.0.1";
  ASSERT_TRUE(world_.run_for(ring_, seconds(2)));
  EXPECT_TRUE(get().has_value());
  names_.names["meta.example"] = "169.254.169.254";
  ASSERT_TRUE(world_.run_for(ring_, seconds(2)));
  EXPECT_FALSE(get().has_value());
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(ClientTest, a_name_server_that_hangs_costs_the_deadline) {
  serve([](support::SimPeer& peer, std::string_view) { peer.send(ok("1")); });
  names_.hangs = true;
  make();
  EXPECT_EQ(get(milliseconds(50)).error().code, ErrorCode::kUpstreamTimeout);
  EXPECT_EQ(get(milliseconds(50)).error().code, ErrorCode::kUpstreamTimeout);
  EXPECT_EQ(names_.questions, 1);
  names_.answer();
  EXPECT_EQ(get()->body, "1");
}

TEST_F(ClientTest, a_name_that_is_not_known) {
  make({.url = "http://nowhere.example/"});
  EXPECT_EQ(get().error().detail, "its name is not known");
}

TEST_F(ClientTest, end_cuts_what_runs_and_what_waits) {
  serve([](support::SimPeer&, std::string_view) {});
  make();
  std::vector<std::optional<Answer>> out(Client::kConnectionsMost + 2);
  for (auto& one : out) begin(&one, seconds(10));
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(100)));
  ASSERT_TRUE(end());
  for (auto& one : out) {
    ASSERT_TRUE(one.has_value());
    EXPECT_EQ(one->error().code, ErrorCode::kCancelled);
  }
}

TEST_F(ClientTest, options_that_make_no_sense_are_said_so) {
  const auto fault = [&](ClientOptions options) {
    auto made = Client::make(ring_, names_, std::move(options));
    return made ? std::string() : made.error();
  };
  EXPECT_NE(fault({.url = "gopher://x"}).find("http://"), std::string::npos);
  EXPECT_NE(fault({.url = "http://x", .headers = {{"a b", "c"}}}), "");
  EXPECT_NE(fault({.url = "http://x", .headers = {{"a", "c\r\nd: e"}}}), "");
  EXPECT_NE(fault({.url = "https://x", .tls_ca_pem = "nonsense"}), "");
}

TEST_F(ClientTest, a_path_that_would_break_the_head_is_refused) {
  make();
  std::optional<Answer> out;
  io::start_detached(get_task("/a\r\nx: y", Deadline::after(ring_.now(), seconds(1)), &out));
  EXPECT_EQ(wait(out).error().code, ErrorCode::kConfig);
}

TEST_F(ClientTest, https_checks_the_certificate_and_its_name) {
  const WallTime now = SystemClock().wall();
  const auto authority = support::make_certificate(
      {.common_name = "authority", .subject_alt_name = "", .is_authority = true, .now = now});
  const auto leaf = support::make_certificate(
      {.subject_alt_name = "DNS:hook.example", .issuer = &authority, .now = now});
  world_.set_layers(nullptr,
                    [&] { return support::make_tls_server_layer(leaf.pem, leaf.key_pem); });
  serve([](support::SimPeer& peer, std::string_view) { peer.send(ok("1")); });
  names_.names = {{"hook.example", "10.0.0.1"}, {"other.example", "10.0.0.1"}};
  make({.url = "https://hook.example:80/", .tls_ca_pem = authority.pem});
  const Answer good = get();
  ASSERT_TRUE(good.has_value()) << good.error().detail;
  EXPECT_EQ(get()->body, "1");
  EXPECT_EQ(peers_.size(), 1u);
  ASSERT_TRUE(end());
  make({.url = "https://other.example:80/", .tls_ca_pem = authority.pem});
  EXPECT_EQ(get().error().code, ErrorCode::kUpstreamTls);
}

}  // namespace
}  // namespace sluice::http
