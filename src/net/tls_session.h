// One TLS connection as a machine over bytes: ciphertext in and out, no socket.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sluice/base/deadline.h>
#include <sluice/crypto/tls_device.h>
#include <sluice/io/buffer.h>
#include <sluice/net/tls.h>

#include "tls_profile.h"

struct WOLFSSL;

namespace sluice::net {

struct FreeSession {
  void operator()(WOLFSSL* session) const noexcept;
};

// Ciphertext on its way out: grows to the largest batch, and is given back when it was sent.
class CipherOutput {
 public:
  // What the peer may make us owe without reading anything (key updates, alerts).
  static constexpr size_t kOwedMax = 4096;

  CipherOutput() noexcept = default;
  CipherOutput(CipherOutput&& other) noexcept { *this = std::move(other); }
  CipherOutput& operator=(CipherOutput&& other) noexcept;
  [[nodiscard]] bool append(const char* bytes, size_t count) noexcept;
  [[nodiscard]] std::string_view bytes() const noexcept { return {memory_.get(), size_}; }
  void release() noexcept;

 private:
  [[nodiscard]] bool reserve(size_t count) noexcept;
  std::unique_ptr<char[]> memory_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// What an upstream must prove to be.
struct PeerRules {
  std::string server_name;
  std::vector<crypto::Digest> pins;
  bool verify = true;

  void retain() noexcept { ++uses; }
  void release() noexcept {
    if (--uses == 0) delete this;
  }
  uint32_t uses = 0;
};

// The library is called from here only. Of one shard; may not move, because the library knows it.
class TlsSession {
 public:
  // The largest plaintext of one record (RFC 8446 5.1).
  static constexpr size_t kRecordBytes = 16 * 1024;

  enum class Step : uint8_t { kDone, kWantsInput, kFailed };
  enum class Read : uint8_t { kBytes, kWantsInput, kEnd, kFailed };

  // Null without memory. `rules` are empty for the session of a listener.
  [[nodiscard]] static Stream::SessionPtr make(const TlsRef<TlsProfile>& profile,
                                               const TlsRef<PeerRules>& rules) noexcept;
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Takes received bytes; has_input() until they were used.
  void feed(io::Buffer ciphertext) noexcept;
  [[nodiscard]] bool has_input() const noexcept { return !input_.is_empty(); }
  // Goes on with the handshake as far as the input lets it; output() may have bytes afterwards.
  [[nodiscard]] Step step() noexcept;
  // Decrypts what was fed into `to`, which takes it all; `count` is how much came out.
  [[nodiscard]] Read read(char* to, size_t room, size_t* count) noexcept;
  // Encrypts one record of at most kRecordBytes. False when the session has failed.
  [[nodiscard]] bool write(std::string_view text) noexcept;
  // To be called now and then once established: gives back what only the handshake needed, a second
  // after the first call.
  void lighten(MonoTime now) noexcept;
  // Writes the orderly end (close_notify) into output().
  void end() noexcept;

  [[nodiscard]] std::string_view output() const noexcept { return output_.bytes(); }
  // Takes the output out to be sent: it stays where it is until batch_sent(), whatever is written
  // meanwhile. One batch at a time.
  [[nodiscard]] std::string_view take_batch() noexcept;
  [[nodiscard]] std::string_view batch() const noexcept { return batch_.bytes(); }
  void batch_sent() noexcept { batch_.release(); }
  [[nodiscard]] bool is_client() const noexcept {
    return profile_->role() == TlsProfile::Role::kClient;
  }
  [[nodiscard]] bool is_resumed() const noexcept;
  // Whether both sides have agreed on HTTP/2.
  [[nodiscard]] bool is_http2() const noexcept;
  // Why a call has failed; static storage.
  [[nodiscard]] std::string_view failure() const noexcept { return failure_; }
  // Whether read() can tell more without further input.
  [[nodiscard]] bool has_more() const noexcept;
  [[nodiscard]] bool is_over() const noexcept { return is_ended_ || !failure_.empty(); }
  // RFC 2253 subject of the client's verified certificate; "" without one.
  [[nodiscard]] std::string_view peer_subject() const noexcept { return peer_subject_; }
  // Whether the peer had to be what these rules say, and not an earlier configuration's.
  [[nodiscard]] bool is_bound_by(const PeerRules& rules) const noexcept {
    return rules_ && &*rules_ == &rules;
  }
  [[nodiscard]] WOLFSSL* raw() noexcept { return session_.get(); }

  // Plaintext that was decrypted and not taken yet.
  io::Buffer plaintext;

 private:
  TlsSession(const TlsRef<TlsProfile>& profile, WOLFSSL* session,
             const TlsRef<PeerRules>& rules) noexcept;
  // Between the handshake and the first byte: name, pins, the client's subject.
  [[nodiscard]] bool examine_peer() noexcept;
  void fail(std::string_view why) noexcept;
  static int receive_bytes(WOLFSSL*, char* to, int room, void* self) noexcept;
  static int send_bytes(WOLFSSL*, char* bytes, int count, void* self) noexcept;

  TlsRef<TlsProfile> profile_;
  crypto::CipherContexts ciphers_;
  std::unique_ptr<WOLFSSL, FreeSession> session_;
  TlsRef<PeerRules> rules_;
  io::Buffer input_;
  CipherOutput output_;
  CipherOutput batch_;
  std::string_view failure_;
  std::string peer_subject_;
  // Received since the last plaintext: a peer that sends only empty records is cut off.
  size_t fruitless_bytes_ = 0;
  MonoTime lightens_at_{};
  bool is_light_ = false;
  bool is_established_ = false;
  bool is_ended_ = false;   // The peer has sent its close_notify.
  bool has_ended_ = false;  // We have written ours.
};

}  // namespace sluice::net
