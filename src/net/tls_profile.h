// What the sessions of one listener or of one kind of client share, on one shard.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/crypto/signing_key.h>
#include <sluice/net/tls.h>

struct WOLFSSL_CTX;

namespace sluice::net {

// Names of application protocols (RFC 7301).
inline constexpr std::string_view kHttp2Protocol = "h2";
inline constexpr std::string_view kHttp11Protocol = "http/1.1";

struct FreeSettings {
  void operator()(WOLFSSL_CTX* context) const noexcept;
};
using SettingsPtr = std::unique_ptr<WOLFSSL_CTX, FreeSettings>;

// One WOLFSSL_CTX for a client; for a listener one for each certificate. wolfSSL counts the uses of
// its contexts itself; this object lives as long as the library may call back into it.
class TlsProfile {
 public:
  enum class Role : uint8_t { kServer, kClient };

  [[nodiscard]] static std::expected<TlsRef<TlsProfile>, std::string> make_server(
      const TlsServerSettings& settings, const TicketKeys& keys);
  [[nodiscard]] static std::expected<TlsRef<TlsProfile>, std::string> make_client(
      const TlsClientSettings& settings, SystemAuthorities& system);

  void retain() noexcept { ++uses_; }
  void release() noexcept {
    if (--uses_ == 0) delete this;
  }

  [[nodiscard]] Role role() const noexcept { return role_; }
  [[nodiscard]] bool offers_http2() const noexcept { return offers_http2_; }
  struct Certificate {
    SettingsPtr context;
    std::optional<crypto::SigningKey> key;  // Empty for a client without a certificate.
    std::vector<std::string> names;         // Lower case.
    std::string staple;                     // An OCSP response (RFC 6960) in DER; "" for none.
  };
  [[nodiscard]] const Certificate& first() const noexcept { return certificates_.front(); }
  // The certificate that is for `name`; the first one when none is.
  [[nodiscard]] const Certificate& find(std::string_view name) const noexcept;

  TicketKeys ticket_keys;

 private:
  explicit TlsProfile(Role role) noexcept : role_(role) {}
  ~TlsProfile() = default;
  [[nodiscard]] std::string add_identity(const TlsServerSettings& settings,
                                         const TlsIdentity& identity);

  Role role_;
  bool offers_http2_ = false;
  uint32_t uses_ = 0;
  std::vector<Certificate> certificates_;  // Never empty once made.
};

}  // namespace sluice::net
