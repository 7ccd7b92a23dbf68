// What a configuration says about TLS: paths and rules. The files themselves are read later.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sluice/base/clock.h>

namespace sluice::config {

enum class TlsVersion : uint8_t { k12, k13 };

enum class ClientCertificates : uint8_t {
  kNone,      // Not asked for.
  kOptional,  // Asked for; one that is sent must verify.
  kRequired,  // No handshake without one that verifies.
};

// Paths without "file://".
struct CertificateFiles {
  std::string certificate;  // PEM, the leaf first, then its intermediates.
  std::string key;          // PEM.
  std::string ocsp;         // DER, a response to staple; "" for none.
  bool operator==(const CertificateFiles&) const = default;
};

// TLS of the listener that clients connect to.
struct ListenerTls {
  std::vector<CertificateFiles> certificates;  // Never empty; the first answers unknown names.
  TlsVersion version_min = TlsVersion::k12;
  ClientCertificates client_certificates = ClientCertificates::kNone;
  std::string client_ca;  // Path; "" exactly when no client certificate is asked for.
  uint32_t handshakes_per_second = 500;  // Whole process.
  // Of them from one address (IPv6: one /64), whole process; 0 is no limit.
  uint32_t handshakes_per_address = 0;
  Duration hsts = seconds(31'536'000);  // max-age of strict-transport-security; zero: none.
  Duration handshake_timeout = seconds(10);
  bool operator==(const ListenerTls&) const = default;
};

// TLS to an upstream whose URL is https.
struct UpstreamTls {
  std::string ca;           // Path; "" stands for the system's certificate authorities.
  bool verify = true;       // False only in development.
  std::string server_name;  // Name or numeric address, lower case, without brackets.
  std::optional<CertificateFiles> identity;   // The client certificate, if any.
  std::vector<std::array<uint8_t, 32>> pins;  // SHA-256 of subject public keys; empty: any.
  TlsVersion version_min = TlsVersion::k12;
  bool operator==(const UpstreamTls&) const = default;
};

}  // namespace sluice::config
