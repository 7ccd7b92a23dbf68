// TLS 1.2 (RFC 5246) and 1.3 (RFC 8446) for streams: what handshakes are made with, and handshakes.
#pragma once

#include <array>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/result.h>
#include <sluice/io/task.h>
#include <sluice/net/stream.h>
#include <sluice/net/tls_settings.h>

namespace sluice::net {

class TlsProfile;
class TlsSession;
struct PeerRules;
struct ResumableSession;

// False in a build without TLS, in which every make() below fails.
[[nodiscard]] bool has_tls() noexcept;

// What encrypts the session tickets of a listener (RFC 5077, RFC 8446 4.6.1), so that a client can
// resume on any shard. The first key encrypts, both decrypt. Wiped when it dies.
struct TicketKeys {
  static constexpr size_t kNameBytes = 16;
  struct Key {
    std::array<unsigned char, kNameBytes> name{};
    std::array<unsigned char, 32> secret{};
  };
  std::array<Key, 2> keys;

  TicketKeys() noexcept = default;
  TicketKeys(const TicketKeys&) noexcept = default;
  TicketKeys& operator=(const TicketKeys&) noexcept = default;
  ~TicketKeys();
  // Two fresh keys.
  [[nodiscard]] static TicketKeys generate() noexcept;
  // A fresh key first; the first one of these second.
  [[nodiscard]] TicketKeys rotated() const noexcept;
};

// Counts the uses of what sessions still need after a reload has replaced it. Not atomic: of one
// shard from the moment on that it was handed over.
template <class T>
class TlsRef {
 public:
  TlsRef() noexcept = default;
  explicit TlsRef(T& target) noexcept : target_(&target) { target_->retain(); }
  TlsRef(const TlsRef& other) noexcept : target_(other.target_) {
    if (target_ != nullptr) target_->retain();
  }
  TlsRef(TlsRef&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  TlsRef& operator=(TlsRef other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~TlsRef() {
    if (target_ != nullptr) target_->release();
  }
  [[nodiscard]] T* operator->() const noexcept { return target_; }
  [[nodiscard]] T& operator*() const noexcept { return *target_; }
  [[nodiscard]] explicit operator bool() const noexcept { return target_ != nullptr; }

 private:
  T* target_ = nullptr;
};

// The certificates of a listener as one shard uses them. The client's SNI name (RFC 6066) chooses.
//
// Made on any thread, then used by one shard. Sessions outlive it: they keep what they need.
class TlsServer {
 public:
  // Parses certificates and keys: milliseconds. The error is a sentence with cause and remedy.
  [[nodiscard]] static std::expected<std::unique_ptr<TlsServer>, std::string> make(
      const TlsServerSettings& settings, const TicketKeys& keys);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  void set_ticket_keys(const TicketKeys& keys) noexcept;
  // Gives a fresh stream its side of TLS; await handshake() before anything else. False without
  // memory.
  [[nodiscard]] bool secure(Stream& stream) noexcept;

 private:
  explicit TlsServer(TlsRef<TlsProfile> profile) noexcept;
  TlsRef<TlsProfile> profile_;
};

// The system's certificate authorities in the library's own form. Parsing some 140 of them takes
// tens of milliseconds, so it is done once for all profiles.
struct SystemAuthorities {
  std::vector<char> parsed;
};

// How connections to one upstream are secured, and the session that the next one resumes.
class TlsClient {
 public:
  // One for each entry, null where that is empty. Those with equal authorities share them in
  // memory. The error is a sentence with cause and remedy.
  [[nodiscard]] static std::expected<std::vector<std::unique_ptr<TlsClient>>, std::string> make(
      std::span<const std::optional<TlsClientSettings>> settings, SystemAuthorities& system);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // As TlsServer::secure(); offers the remembered session.
  [[nodiscard]] bool secure(Stream& stream) noexcept;
  // Keeps the stream's session for the next handshake, if it has one that can be resumed. Tickets
  // come after the handshake (TLS 1.3), so this is for streams that have received something. One
  // that another TlsClient has secured, before a reload, is passed over.
  void remember(Stream& stream) noexcept;

 private:
  TlsClient(const TlsRef<TlsProfile>& profile, const TlsRef<PeerRules>& rules) noexcept;
  TlsRef<TlsProfile> profile_;
  TlsRef<PeerRules> rules_;
  std::unique_ptr<ResumableSession> session_;
};

// Completes the handshake of a stream that secure() was called for, at most
// io::Ring::kBackgroundPerTurn steps of all handshakes in a turn. Suspends until it is done, until
// `deadline`, or until `gone` (may be null) is ready. After an error the stream is of no use but to
// be closed.
//
// Errors: of an upstream, kUpstreamTls, and kUpstreamConnect for a lost connection or the deadline;
// of a client, kMalformedRequest for bytes that are no TLS but look like HTTP, kDownstreamTls for
// all that breaks TLS, kRequestTimeout, kDownstreamLost. `detail` says what was wrong.
Task<Result<void>> handshake(Stream& stream, Deadline deadline, io::Event* gone);

// Whether client and listener agreed on HTTP/2 in the handshake. What HTTP/2 asks of TLS 1.2 (RFC
// 9113 9.2) holds always: the listener has no suite without ephemeral keys and AEAD.
[[nodiscard]] bool speaks_http2(const Stream& stream) noexcept;

// How far apart new handshakes of a shard begin, so that a flood of them leaves time for streams.
// Virtual scheduling (GCRA, ITU-T I.371): `rate` per second, `burst` at once.
class HandshakePacer {
 public:
  HandshakePacer(double rate, uint32_t burst) noexcept;
  // When the next handshake may begin, at the earliest `now`; the place is taken.
  [[nodiscard]] MonoTime take_place(MonoTime now) noexcept;
  // Whether a place would be free before `latest`.
  [[nodiscard]] bool has_place_before(MonoTime latest) const noexcept;

 private:
  Duration interval_;
  Duration tolerance_;
  MonoTime next_{};
};

}  // namespace sluice::net
