// Certificates for tests, made in memory: authorities, leaves, and what is wrong with them.
#pragma once

#include <string>
#include <vector>

namespace sluice::support {

struct MadeCertificate {
  std::string certificate_pem;
  std::string key_pem;  // PKCS #8, not encrypted.
};

struct CertificateWishes {
  std::string common_name = "sluice test";
  std::vector<std::string> names;  // "DNS:localhost", "IP:127.0.0.1"; none leaves the field out.
  int days_since_start = 1;        // Negative: it begins in the future.
  int days_to_end = 90;            // Negative: it has expired.
  int rsa_bits = 0;                // 0 makes a P-256 key.
  bool is_authority = false;
};

// Signed by `issuer`, or by itself when that is null.
[[nodiscard]] MadeCertificate make_certificate(const CertificateWishes& wishes,
                                               const MadeCertificate* issuer = nullptr);

}  // namespace sluice::support
