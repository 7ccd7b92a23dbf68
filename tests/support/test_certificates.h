// Certificates, keys and OCSP responses made for a test, so that none lies about and expires.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>

namespace sluice::support {

enum class TestKeyKind : uint8_t { kEc256, kEc192, kRsa2048, kRsa1024, kEd25519, kDsa };

struct TestCertificate {
  std::string pem;
  std::string key_pem;
};

struct CertificateWish {
  std::string common_name = "leaf";
  std::string organization;                              // None when empty.
  std::string subject_alt_name = "DNS:api.example.com";  // In OpenSSL's words; "" for none.
  std::string key_usage;                                 // Extended; "" for none.
  const TestCertificate* issuer = nullptr;               // Null signs itself.
  bool is_authority = false;
  // Days around `now`.
  int64_t from_days = -1;
  int64_t until_days = 100;
  WallTime now{1'750'000'000'000'000};
  TestKeyKind key = TestKeyKind::kEc256;
  const char* digest = "SHA256";
};

[[nodiscard]] TestCertificate make_certificate(const CertificateWish& wish);

// The first certificate of `pem`, as TLS sends it.
[[nodiscard]] std::vector<uint8_t> der_of(std::string_view pem);

[[nodiscard]] std::string encrypted_key(std::string_view key_pem);
[[nodiscard]] std::string key_der(std::string_view key_pem);

struct OcspWish {
  enum class Status : uint8_t { kGood, kRevoked, kUnknown };
  Status status = Status::kGood;
  int64_t from_days = -1;
  int64_t until_days = 6;
  WallTime now{1'750'000'000'000'000};
};

// What `issuer` says about `leaf`, in DER.
[[nodiscard]] std::string make_ocsp(const TestCertificate& leaf, const TestCertificate& issuer,
                                    const OcspWish& wish);
// An answer of a server that would not say.
[[nodiscard]] std::string make_ocsp_refusal();

}  // namespace sluice::support
