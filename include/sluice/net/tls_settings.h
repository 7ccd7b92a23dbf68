// What a TLS listener and a TLS client are made of: file contents, not paths.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <sluice/crypto/digest.h>
#include <sluice/crypto/secret.h>

namespace sluice::net {

enum class TlsVersion : uint8_t { k12, k13 };

enum class ClientCertificates : uint8_t {
  kNone,      // Not asked for.
  kOptional,  // Asked for; one that is sent must verify.
  kRequired,  // No handshake without one that verifies.
};

// A certificate chain with its private key, as PEM. Needed while contexts are built of it, then
// freed and wiped.
struct TlsIdentity {
  std::string chain_pem;  // The leaf first, then its intermediates.
  crypto::Secret key_pem;
  std::string ocsp_der;            // A response to staple; "" for none.
  std::vector<std::string> names;  // DNS names of the leaf in lower case, "*.example.org" included.
};

struct TlsServerSettings {
  std::vector<const TlsIdentity*> identities;  // Borrowed; the first answers unknown names.
  TlsVersion version_min = TlsVersion::k12;
  ClientCertificates client_certificates = ClientCertificates::kNone;
  std::string client_ca_pem;
  bool offers_http2 = false;  // By ALPN, before HTTP/1.1.
};

struct TlsClientSettings {
  bool verify = true;                     // Of the chain and the name. Off only in development.
  std::string ca_pem;                     // "" stands for the system's certificate authorities.
  const TlsIdentity* identity = nullptr;  // Borrowed; the client certificate, if any.
  // SHA-256 digests of subject public keys; the peer's leaf must have one of them. Empty: any.
  std::vector<crypto::Digest> pins;
  std::string server_name;  // Checked and, unless it is a numeric address, sent as SNI.
  TlsVersion version_min = TlsVersion::k12;
};

}  // namespace sluice::net
