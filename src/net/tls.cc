#include <sluice/net/tls.h>

#include <wolfssl/options.h>
// The library's feature macros come first.
#include <wolfssl/ssl.h>

#include <algorithm>

#include "tls_profile.h"
#include "tls_session.h"

namespace sluice::net {

struct ResumableSession {
  struct Free {
    void operator()(WOLFSSL_SESSION* kept) const noexcept { wolfSSL_SESSION_free(kept); }
  };
  std::unique_ptr<WOLFSSL_SESSION, Free> session;
};

bool has_tls() noexcept { return true; }

// --- TlsServer --------------------------------------------------------------------------------

std::expected<std::unique_ptr<TlsServer>, std::string> TlsServer::make(
    const TlsServerSettings& settings, const TicketKeys& keys) {
  auto profile = TlsProfile::make_server(settings, keys);
  if (!profile) return std::unexpected(std::move(profile.error()));
  return std::unique_ptr<TlsServer>(new TlsServer(*std::move(profile)));
}

TlsServer::TlsServer(TlsRef<TlsProfile> profile) noexcept : profile_(std::move(profile)) {}
TlsServer::~TlsServer() = default;

void TlsServer::set_ticket_keys(const TicketKeys& keys) noexcept { profile_->ticket_keys = keys; }

bool TlsServer::secure(Stream& stream) noexcept {
  auto session = TlsSession::make(profile_, {});
  if (session == nullptr) return false;
  stream.set_tls(std::move(session));
  return true;
}

// --- TlsClient --------------------------------------------------------------------------------

namespace {

bool share_profile(const TlsClientSettings& left, const TlsClientSettings& right) noexcept {
  return left.verify == right.verify && left.ca_pem == right.ca_pem &&
         left.identity == right.identity && left.version_min == right.version_min;
}

}  // namespace

std::expected<std::vector<std::unique_ptr<TlsClient>>, std::string> TlsClient::make(
    std::span<const std::optional<TlsClientSettings>> settings, SystemAuthorities& system) {
  std::vector<std::unique_ptr<TlsClient>> clients(settings.size());
  struct Known {
    const TlsClientSettings* settings;
    TlsRef<TlsProfile> profile;
  };
  std::vector<Known> known;
  for (size_t i = 0; i < settings.size(); ++i) {
    if (!settings[i]) continue;
    const TlsClientSettings& wanted = *settings[i];
    auto same = std::ranges::find_if(
        known, [&](const Known& entry) { return share_profile(*entry.settings, wanted); });
    if (same == known.end()) {
      auto profile = TlsProfile::make_client(wanted, system);
      if (!profile) return std::unexpected(std::move(profile.error()));
      same = known.insert(known.end(), {&wanted, *std::move(profile)});
    }
    const TlsRef<PeerRules> rules(*new PeerRules{.server_name = wanted.server_name,
                                                 .pins = wanted.pins,
                                                 .verify = wanted.verify,
                                                 .uses = 0});
    clients[i] = std::unique_ptr<TlsClient>(new TlsClient(same->profile, rules));
  }
  return clients;
}

TlsClient::TlsClient(const TlsRef<TlsProfile>& profile, const TlsRef<PeerRules>& rules) noexcept
    : profile_(profile), rules_(rules), session_(std::make_unique<ResumableSession>()) {}
TlsClient::~TlsClient() = default;

bool TlsClient::secure(Stream& stream) noexcept {
  auto session = TlsSession::make(profile_, rules_);
  if (session == nullptr) return false;
  if (session_->session != nullptr) wolfSSL_set_session(session->raw(), session_->session.get());
  stream.set_tls(std::move(session));
  return true;
}

void TlsClient::remember(Stream& stream) noexcept {
  TlsSession* tls = stream.tls();
  // A resumed session is not examined again, so none of other rules may be taken up.
  if (tls == nullptr || tls->is_over() || !tls->is_bound_by(*rules_)) return;
  WOLFSSL_SESSION* session = wolfSSL_get1_session(tls->raw());
  if (session != nullptr) session_->session.reset(session);
}

// --- the handshake ----------------------------------------------------------------------------

namespace {

Unexpected handshake_failed(const Stream& stream, const TlsSession& session) {
  return stream.side() == Side::kUpstream
             ? fail(ErrorCode::kUpstreamTls, Side::kUpstream, Retry::kYes, session.failure())
             : fail(ErrorCode::kDownstreamTls, Side::kDownstream, Retry::kNever, session.failure());
}

Unexpected too_late(const Stream& stream) {
  return stream.side() == Side::kUpstream
             ? fail(ErrorCode::kUpstreamConnect, Side::kUpstream, Retry::kYes,
                    "TLS handshake timed out")
             : fail(ErrorCode::kRequestTimeout, Side::kDownstream, Retry::kNever,
                    "TLS handshake did not end in time");
}

Unexpected peer_lost(const Stream& stream) {
  return stream.side() == Side::kUpstream ? fail(ErrorCode::kUpstreamConnect, Side::kUpstream,
                                                 Retry::kYes, "closed during the TLS handshake")
                                          : fail(ErrorCode::kDownstreamLost, Side::kDownstream,
                                                 Retry::kNever, "closed during the TLS handshake");
}

// Whether a record of TLS cannot begin so, but a request in plain HTTP does (RFC 9112 3).
bool looks_like_http(std::string_view bytes) noexcept {
  return bytes.front() >= 'A' && bytes.front() <= 'Z';
}

}  // namespace

Task<Result<void>> handshake(Stream& stream, Deadline deadline, io::Event* gone) {
  io::Ring& ring = stream.ring();
  TlsSession& session = *stream.tls();
  io::Timer timer(ring.ready(), ring.timers());
  timer.set(deadline);
  for (bool is_first = true;;) {
    co_await ring.background_turn();
    const TlsSession::Step step = session.step();
    if (!session.output().empty()) {
      const std::string_view output = session.take_batch();
      stream.start_send({&output, 1});
      co_await io::first_of(&stream.sent(), &timer, gone);
      if (!stream.sent().is_ready()) {
        stream.shut_down();
        co_await io::first_of(&stream.sent());
      }
      const Result<void> sent = stream.take_sent();
      session.batch_sent();
      if (timer.is_ready()) co_return too_late(stream);
      if (!sent) co_return peer_lost(stream);
    }
    if (step == TlsSession::Step::kFailed) co_return handshake_failed(stream, session);
    if (step == TlsSession::Step::kDone) break;
    stream.start_receive();
    co_await io::first_of(&stream.received(), &timer, gone);
    if (!stream.received().is_ready()) {
      if (timer.is_ready()) co_return too_late(stream);
      co_return fail(ErrorCode::kDownstreamLost, Side::kDownstream,
                     "client left during the TLS handshake");
    }
    Result<io::Buffer> received = stream.take_received();
    if (!received || received->is_empty()) co_return peer_lost(stream);
    if (is_first && stream.side() == Side::kDownstream && looks_like_http(received->bytes())) {
      co_return fail(ErrorCode::kMalformedRequest, Side::kDownstream, "plain HTTP on a TLS port");
    }
    if (is_first && stream.side() == Side::kUpstream && received->bytes().starts_with("HTTP/")) {
      co_return fail(ErrorCode::kUpstreamTls, Side::kUpstream, Retry::kYes,
                     "TLS: the upstream speaks plain HTTP; write http:// in its url");
    }
    is_first = false;
    session.feed(std::move(*received));
  }
  stream.begin_tls();
  co_return Result<void>();
}

}  // namespace sluice::net
