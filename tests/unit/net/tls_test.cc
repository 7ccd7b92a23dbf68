#include <sluice/net/tls.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include <sluice/net/listener.h>

#include "net_world.h"
#include "peer_layer.h"
#include "test_certificates.h"

namespace sluice::net {
namespace {

using support::CertificateWish;
using support::make_certificate;
using support::TestCertificate;

const TestCertificate& authority() {
  static const TestCertificate made = make_certificate({.common_name = "authority",
                                                        .subject_alt_name = "",
                                                        .is_authority = true,
                                                        .now = SystemClock().wall()});
  return made;
}

// Signed by authority() unless the wish says otherwise; the library reads the system's clock.
TlsIdentity make_identity(CertificateWish wish, bool signs_itself = false) {
  wish.now = SystemClock().wall();
  if (!signs_itself) wish.issuer = &authority();
  const TestCertificate made = make_certificate(wish);
  TlsIdentity identity{
      .chain_pem = made.pem, .key_pem = crypto::Secret(made.key_pem), .ocsp_der = {}, .names = {}};
  for (std::string_view rest = wish.subject_alt_name; !rest.empty();) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    if (entry.starts_with("DNS:")) identity.names.emplace_back(entry.substr(4));
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
  }
  return identity;
}

const TlsIdentity& server_identity() {
  static const TlsIdentity made =
      make_identity({.common_name = "server", .subject_alt_name = "DNS:server.test,IP:10.0.0.9"});
  return made;
}

// Both sides are ours, on one ring, over the simulated network.
class TlsTest : public NetWorld {
 protected:
  struct Ends {
    std::unique_ptr<Stream> client, server;
    Result<void> client_outcome, server_outcome;
    bool client_done = false, server_done = false;
  };

  static Address here() { return support::sim_address("10.0.0.9", 443); }

  TlsTest() {
    const auto fd = open_listener(world_.syscalls(), here(), {});
    EXPECT_TRUE(fd.has_value());
    listener_.emplace(ring_, *fd);
    client_settings_.server_name = "server.test";
    client_settings_.ca_pem = authority().pem;
    server_settings_.identities = {&server_identity()};
  }
  ~TlsTest() override {
    for (auto& ends : all_) {
      close(ends->client);
      close(ends->server);
    }
    listener_.reset();
    EXPECT_TRUE(world_.run_for(ring_, milliseconds(5)));
    EXPECT_EQ(ring_.ops_in_flight(), 1u);
    EXPECT_EQ(ring_.buffers().in_use(), 0u);
  }

  void make_contexts() {
    auto server = TlsServer::make(server_settings_, keys_);
    ASSERT_TRUE(server.has_value()) << server.error();
    server_ = *std::move(server);
    const std::array<std::optional<TlsClientSettings>, 2> settings = {client_settings_,
                                                                      std::nullopt};
    auto clients = TlsClient::make(settings, system_);
    ASSERT_TRUE(clients.has_value()) << clients.error();
    EXPECT_EQ((*clients)[1], nullptr);
    client_ = std::move((*clients)[0]);
  }

  // A connection below TLS.
  Ends& connect() {
    start_dial({here()});
    int server_fd = 0;
    EXPECT_TRUE(run_until([&] {
      if (server_fd == 0) server_fd = listener_->take();
      return dialled_.has_value() && server_fd > 0;
    }));
    all_.push_back(std::make_unique<Ends>());
    Ends& ends = *all_.back();
    ends.client = std::make_unique<Stream>(ring_, dialled_->value(), Side::kUpstream);
    ends.server = std::make_unique<Stream>(ring_, server_fd, Side::kDownstream);
    return ends;
  }
  Task<void> shake(Stream& stream, Result<void>* outcome, bool* done) {
    const Deadline deadline = Deadline::after(ring_.now(), seconds(5));
    *outcome = co_await handshake(stream, deadline, nullptr);
    *done = true;
    // As their owners do: a client that was refused must see it.
    if (!*outcome) co_await stream.close();
  }
  void shake_both(Ends& ends) {
    ASSERT_TRUE(client_->secure(*ends.client));
    ASSERT_TRUE(server_->secure(*ends.server));
    io::start_detached(shake(*ends.client, &ends.client_outcome, &ends.client_done));
    io::start_detached(shake(*ends.server, &ends.server_outcome, &ends.server_done));
    ASSERT_TRUE(run_until([&] { return ends.client_done && ends.server_done; }));
  }
  // A connection with TLS begun.
  Ends& secured() {
    if (client_ == nullptr) make_contexts();
    Ends& ends = connect();
    shake_both(ends);
    EXPECT_TRUE(ends.client_outcome.has_value()) << ends.client_outcome.error().detail;
    EXPECT_TRUE(ends.server_outcome.has_value()) << ends.server_outcome.error().detail;
    return ends;
  }
  std::string_view refusal_seen_by_client() {
    make_contexts();
    Ends& ends = connect();
    shake_both(ends);
    if (ends.client_outcome) return "accepted";
    EXPECT_EQ(ends.client_outcome.error().code, ErrorCode::kUpstreamTls);
    return ends.client_outcome.error().detail;
  }

  Task<void> send_all(Stream& from, std::string_view text, std::vector<size_t> sizes, bool* done) {
    size_t next = 0;
    while (!text.empty()) {
      std::array<std::string_view, 3> slices;
      for (std::string_view& slice : slices) {
        slice = text.substr(0, sizes[next++ % sizes.size()]);
        text.remove_prefix(slice.size());
      }
      from.start_send(slices);
      co_await io::first_of(&from.sent());
      if (!from.take_sent()) break;
    }
    *done = true;
  }
  Task<void> read_all(Stream& from, size_t wanted, std::string* text) {
    while (text->size() < wanted) {
      from.start_receive();
      co_await io::first_of(&from.received());
      Result<io::Buffer> received = from.take_received();
      if (!received || received->is_empty()) break;
      *text += received->bytes();
    }
  }
  void pass(Stream& from, Stream& to, const std::string& text, std::vector<size_t> sizes) {
    bool is_sent = false;
    std::string read;
    io::start_detached(send_all(from, text, std::move(sizes), &is_sent));
    io::start_detached(read_all(to, text.size(), &read));
    ASSERT_TRUE(run_until([&] { return is_sent && read.size() >= text.size(); }));
    EXPECT_TRUE(read == text);
  }
  std::string random_text(size_t count) {
    std::string text(count, '\0');
    for (char& c : text) c = static_cast<char>(world_.random().below(256));
    return text;
  }

  void close(std::unique_ptr<Stream>& stream) {
    bool is_closed = false;
    io::start_detached(close_task(*stream, &is_closed));
    EXPECT_TRUE(run_until([&] { return is_closed; }));
  }
  static Task<void> close_task(Stream& stream, bool* is_closed) {
    co_await stream.close();
    *is_closed = true;
  }

  TlsServerSettings server_settings_;
  TlsClientSettings client_settings_;
  TicketKeys keys_ = TicketKeys::generate();
  SystemAuthorities system_;
  std::optional<Listener> listener_;
  std::unique_ptr<TlsServer> server_;
  std::unique_ptr<TlsClient> client_;
  std::vector<std::unique_ptr<Ends>> all_;
};

// Method: worlds that cut, delay and reorder what happens, and starve receives, each from a seed.
class RoughTlsTest : public TlsTest, public testing::WithParamInterface<uint64_t> {};

TEST_P(RoughTlsTest, bytes_pass_both_ways_in_any_pieces) {
  support::Prng prng(GetParam());
  world_.faults() = support::FaultPlan::rough(prng);
  Ends& ends = secured();
  pass(*ends.client, *ends.server, random_text(100'000), {1, 200, 5000, 70'000});
  pass(*ends.server, *ends.client, random_text(100'000), {16'384, 3, 16'385, 40'000});
  pass(*ends.server, *ends.client, random_text(1'000), {1});
  ends.client->finish_sending();
  ends.server->start_receive();
  ASSERT_TRUE(run_until([&] { return ends.server->received().is_ready(); }));
  EXPECT_TRUE(ends.server->take_received().value().is_empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RoughTlsTest, testing::Range<uint64_t>(1, 41));

TEST_F(TlsTest, bytes_go_into_the_callers_memory) {
  Ends& ends = secured();
  bool is_sent = false;
  io::start_detached(send_all(*ends.client, "abcdefgh", {8}, &is_sent));
  std::array<char, 3> memory{};
  std::string read;
  while (read.size() < 8) {
    ends.server->start_receive_into(memory.data(), 3);
    ASSERT_TRUE(run_until([&] { return ends.server->received().is_ready(); }));
    const Result<uint32_t> count = ends.server->take_received_count();
    ASSERT_TRUE(count.has_value());
    read.append(memory.data(), *count);
  }
  EXPECT_EQ(read, "abcdefgh");
}

TEST_F(TlsTest, an_announced_end_is_orderly_and_a_bare_one_is_not) {
  Ends& ends = secured();
  ends.client->finish_sending();
  ends.server->start_receive();
  ASSERT_TRUE(run_until([&] { return ends.server->received().is_ready(); }));
  EXPECT_TRUE(ends.server->take_received().value().is_empty());

  Ends& cut = secured();
  cut.client->shut_down();
  cut.server->start_receive();
  ASSERT_TRUE(run_until([&] { return cut.server->received().is_ready(); }));
  const Result<io::Buffer> received = cut.server->take_received();
  ASSERT_FALSE(received.has_value());
  EXPECT_EQ(received.error().detail, "TLS: cut off without close_notify");
}

// A client that resets while it is told "100 Continue" is answered once more by who does not know.
TEST_F(TlsTest, a_send_that_failed_may_be_followed_by_another) {
  Ends& ends = secured();
  const std::string_view text = "HTTP/1.1 100 Continue";
  ends.server->start_send({&text, 1});
  ASSERT_TRUE(run_until([&] { return ends.server->sent().is_ready(); }));
  ASSERT_TRUE(ends.server->take_sent().has_value());
  close(ends.client);  // With unread bytes: a reset.
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(5)));
  bool has_failed = false;
  for (int i = 0; i < 4; ++i) {
    ends.server->start_send({&text, 1});
    ASSERT_TRUE(run_until([&] { return ends.server->sent().is_ready(); }));
    has_failed = !ends.server->take_sent() || has_failed;
  }
  EXPECT_TRUE(has_failed);
}

// The hello is OpenSSL's.
TEST_F(TlsTest, a_client_that_speaks_no_protocol_of_ours_is_told_so) {
  make_contexts();
  const auto hello = support::make_tls_client_layer(authority().pem, "server.test", "spdy/1");
  support::SimPeer& client = world_.connect(here());
  client.send(hello->begin());
  int fd = 0;
  ASSERT_TRUE(run_until([&] { return (fd = listener_->take()) > 0; }));
  auto server = std::make_unique<Stream>(ring_, fd, Side::kDownstream);
  ASSERT_TRUE(server_->secure(*server));
  Result<void> outcome;
  bool is_done = false;
  io::start_detached(shake(*server, &outcome, &is_done));
  ASSERT_TRUE(run_until([&] { return is_done && client.is_over(); }));
  EXPECT_EQ(client.received(), std::string_view("\x15\x03\x03\0\x02\x02\x78", 7));
  EXPECT_FALSE(outcome.has_value());
}

TEST_F(TlsTest, a_certificate_for_another_name_is_refused) {
  client_settings_.server_name = "other.test";
  EXPECT_EQ(refusal_seen_by_client(), "TLS: the certificate is for another name");
}

TEST_F(TlsTest, a_numeric_address_must_stand_in_the_certificate) {
  client_settings_.server_name = "10.0.0.8";
  EXPECT_EQ(refusal_seen_by_client(), "TLS: the certificate is for another name");
  client_settings_.server_name = "10.0.0.9";
  EXPECT_EQ(refusal_seen_by_client(), "accepted");
}

TEST_F(TlsTest, an_expired_certificate_is_refused) {
  const TlsIdentity old =
      make_identity({.subject_alt_name = "DNS:server.test", .from_days = -30, .until_days = -1});
  server_settings_.identities = {&old};
  EXPECT_EQ(refusal_seen_by_client(), "TLS: the certificate has expired");
}

// Of whatever is dialled: an upstream today, a database or Redis by the same client later.
TEST_F(TlsTest, d082_trust_is_the_default_and_doing_without_is_explicit) {
  EXPECT_TRUE(TlsClientSettings().verify);
  const TlsIdentity own = make_identity({.subject_alt_name = "DNS:server.test"}, true);
  server_settings_.identities = {&own};
  EXPECT_NE(refusal_seen_by_client().find("self-signed"), std::string_view::npos);
  client_settings_.verify = false;
  EXPECT_EQ(refusal_seen_by_client(), "accepted");
}

TEST_F(TlsTest, a_pinned_key_must_be_shown) {
  client_settings_.pins = {crypto::sha256("another key")};
  EXPECT_EQ(refusal_seen_by_client(), "TLS: the certificate's key is none of those pinned");
}

// Each name gets its certificate, an unknown one the first.
TEST_F(TlsTest, the_name_that_is_asked_for_chooses_the_certificate) {
  const TlsIdentity other = make_identity({.subject_alt_name = "DNS:other.test,DNS:*.wild.test"});
  server_settings_.identities = {&server_identity(), &other};
  EXPECT_EQ(refusal_seen_by_client(), "accepted");
  client_settings_.server_name = "Other.Test";
  EXPECT_EQ(refusal_seen_by_client(), "accepted");
  client_settings_.server_name = "a.wild.test";
  EXPECT_EQ(refusal_seen_by_client(), "accepted");
  client_settings_.server_name = "a.b.wild.test";
  EXPECT_EQ(refusal_seen_by_client(), "TLS: the certificate is for another name");
}

// The client keeps its session between connections; the server's keys turn meanwhile.
TEST_F(TlsTest, sessions_are_resumed_until_their_key_is_gone) {
  const auto connect_again = [&] {
    Ends& ends = secured();
    pass(*ends.client, *ends.server, "hello", {5});
    pass(*ends.server, *ends.client, "hello", {5});
    client_->remember(*ends.client);
    EXPECT_EQ(ends.client->is_resumed(), ends.server->is_resumed());
    return ends.client->is_resumed();
  };
  EXPECT_FALSE(connect_again());
  EXPECT_TRUE(connect_again());
  keys_ = keys_.rotated();
  server_->set_ticket_keys(keys_);
  EXPECT_TRUE(connect_again());
  keys_ = keys_.rotated().rotated();
  server_->set_ticket_keys(keys_);
  EXPECT_FALSE(connect_again());
  EXPECT_TRUE(connect_again());
}

// After a second a session gives back memory: nothing that it still needs.
TEST_F(TlsTest, a_connection_that_lasts_goes_on_and_its_session_is_resumed) {
  Ends& ends = secured();
  pass(*ends.client, *ends.server, "hello", {5});
  pass(*ends.server, *ends.client, "hello", {5});
  world_.clock().advance(seconds(2));
  for (int i = 0; i < 3; ++i) {
    pass(*ends.client, *ends.server, "hello again", {5});
    pass(*ends.server, *ends.client, "hello again", {5});
  }
  client_->remember(*ends.client);
  Ends& next = secured();
  pass(*next.client, *next.server, "hello", {5});
  EXPECT_TRUE(next.client->is_resumed());
}

// A reload pins another key while a connection of before it lives on and comes back to its pool.
TEST_F(TlsTest, a_session_of_other_rules_is_not_taken_up) {
  Ends& before = secured();
  pass(*before.client, *before.server, "hello", {5});
  pass(*before.server, *before.client, "hello", {5});
  client_settings_.pins = {crypto::sha256("another key")};
  make_contexts();
  client_->remember(*before.client);
  Ends& after = connect();
  shake_both(after);
  ASSERT_FALSE(after.client_outcome.has_value());
  EXPECT_EQ(after.client_outcome.error().detail,
            "TLS: the certificate's key is none of those pinned");
}

TEST_F(TlsTest, a_clients_certificate_tells_who_it_is) {
  server_settings_.client_certificates = ClientCertificates::kRequired;
  server_settings_.client_ca_pem = authority().pem;
  const TlsIdentity team = make_identity({.common_name = "team-a"});
  client_settings_.identity = &team;
  Ends& ends = secured();
  pass(*ends.client, *ends.server, "hello", {5});
  EXPECT_EQ(ends.server->peer_subject(), "CN=team-a");
}

TEST_F(TlsTest, a_client_without_the_required_certificate_is_refused) {
  server_settings_.client_certificates = ClientCertificates::kRequired;
  server_settings_.client_ca_pem = authority().pem;
  make_contexts();
  Ends& ends = connect();
  shake_both(ends);
  ASSERT_FALSE(ends.server_outcome.has_value());
  EXPECT_EQ(ends.server_outcome.error().code, ErrorCode::kDownstreamTls);
}

TEST_F(TlsTest, an_optional_certificate_may_be_missing_but_not_wrong) {
  server_settings_.client_certificates = ClientCertificates::kOptional;
  server_settings_.client_ca_pem = authority().pem;
  Ends& ends = secured();
  EXPECT_EQ(ends.server->peer_subject(), "");

  const TlsIdentity stranger = make_identity({.common_name = "stranger"}, true);
  client_settings_.identity = &stranger;
  make_contexts();
  Ends& refused = connect();
  shake_both(refused);
  EXPECT_FALSE(refused.server_outcome.has_value());
}

TEST_F(TlsTest, plain_http_is_told_apart) {
  make_contexts();
  Ends& ends = connect();
  ASSERT_TRUE(server_->secure(*ends.server));
  const std::string_view request = "GET / HTTP/1.1\r\n\r\n";
  ends.client->start_send({&request, 1});
  io::start_detached(shake(*ends.server, &ends.server_outcome, &ends.server_done));
  ASSERT_TRUE(run_until([&] { return ends.server_done && ends.client->sent().is_ready(); }));
  ASSERT_TRUE(ends.client->take_sent().has_value());
  ASSERT_FALSE(ends.server_outcome.has_value());
  EXPECT_EQ(ends.server_outcome.error().code, ErrorCode::kMalformedRequest);
}

TEST_F(TlsTest, a_handshake_that_stands_still_ends_at_its_deadline) {
  make_contexts();
  Ends& ends = connect();
  ASSERT_TRUE(client_->secure(*ends.client));
  io::start_detached(shake(*ends.client, &ends.client_outcome, &ends.client_done));
  ASSERT_TRUE(run_until([&] { return ends.client_done; }));
  EXPECT_EQ(ends.client_outcome.error().detail, "TLS handshake timed out");
}

TEST(HandshakePacer, places_lie_apart_once_the_burst_is_used) {
  HandshakePacer pacer(10, 2);
  const MonoTime now = MonoTime{} + seconds(100);
  EXPECT_EQ(pacer.take_place(now), now);
  EXPECT_EQ(pacer.take_place(now), now);
  EXPECT_EQ(pacer.take_place(now), now);
  EXPECT_EQ(pacer.take_place(now), now + milliseconds(100));
  EXPECT_TRUE(pacer.has_place_before(now + milliseconds(201)));
  EXPECT_FALSE(pacer.has_place_before(now + milliseconds(200)));
  EXPECT_EQ(pacer.take_place(now + seconds(60)), now + seconds(60));
}

}  // namespace
}  // namespace sluice::net
