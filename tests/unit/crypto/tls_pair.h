// A wolfSSL client and server that speak to each other in memory, with or without the device.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/crypto/signing_key.h>
#include <sluice/crypto/tls_device.h>

#include "test_identity.h"

struct WOLFSSL;
struct WOLFSSL_CTX;
struct WOLFSSL_SESSION;

namespace sluice::crypto {

struct TlsPairOptions {
  int version = 13;     // 12 or 13.
  bool device = true;   // Of both sides.
  bool outside = true;  // The server signs by a SigningKey.
  int group = 0;        // The one group, by its number in TLS; 0 for wolfSSL's own.
  std::string ciphers;  // "" for wolfSSL's own.
};

// What many pairs share: certificate, key and the two WOLFSSL_CTX.
class TlsPairSettings {
 public:
  TlsPairSettings(const TestIdentity& identity, const TlsPairOptions& options);
  TlsPairSettings(const TlsPairSettings&) = delete;
  TlsPairSettings& operator=(const TlsPairSettings&) = delete;
  ~TlsPairSettings();

 private:
  friend class TlsPair;
  TlsPairOptions options_;
  std::optional<SigningKey> key_;
  WOLFSSL_CTX* server_;
  WOLFSSL_CTX* client_;
};

class TlsPair {
 public:
  // `resume` is what another pair's session() gave.
  explicit TlsPair(const TlsPairSettings& settings, WOLFSSL_SESSION* resume = nullptr);
  TlsPair(const TlsPair&) = delete;
  TlsPair& operator=(const TlsPair&) = delete;
  ~TlsPair();

  // True when that side is through its handshake. Throws what wolfSSL says is wrong.
  bool step_client();
  bool step_server();
  void handshake();

  // Through one side's write and the other's read; gives what arrived.
  std::string send(bool from_client, std::string_view text);
  void write(bool from_client, std::string_view text);
  // wolfSSL's answer to a read, and its error when that is not above 0.
  int read(bool by_client, char* out, int bytes);
  int error(bool of_client, int answer);
  // The sealed bytes on their way to that side, to be changed or measured.
  std::string& to_client() { return to_client_; }
  std::string& to_server() { return to_server_; }
  void update_keys(bool of_client);

  [[nodiscard]] std::string cipher() const;
  [[nodiscard]] std::string group() const;
  [[nodiscard]] bool is_resumed() const;
  // To be freed with free_session().
  [[nodiscard]] WOLFSSL_SESSION* session() const;
  static void free_session(WOLFSSL_SESSION* session);

 private:
  template <typename Call>
  int scoped(bool client, Call call);
  bool step(bool client);

  bool device_;
  CipherContexts server_contexts_;
  CipherContexts client_contexts_;
  std::string to_client_;
  std::string to_server_;
  WOLFSSL* server_;
  WOLFSSL* client_;
};

}  // namespace sluice::crypto
