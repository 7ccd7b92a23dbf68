// Owners of OpenSSL's certificate objects, and how PEM becomes them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include <sluice/base/clock.h>

#include "freed_by.h"

namespace sluice::crypto {

using CertificatePtr = std::unique_ptr<X509, FreedBy<X509_free>>;
using OcspResponsePtr = std::unique_ptr<OCSP_RESPONSE, FreedBy<OCSP_RESPONSE_free>>;
using OcspBasicPtr = std::unique_ptr<OCSP_BASICRESP, FreedBy<OCSP_BASICRESP_free>>;
using OcspIdPtr = std::unique_ptr<OCSP_CERTID, FreedBy<OCSP_CERTID_free>>;

// Reads from `bytes`, which it borrows.
[[nodiscard]] BioPtr open_bytes(std::string_view bytes);

struct Certificates {
  std::vector<CertificatePtr> all;  // In the order of the file, up to the first broken one.
  bool is_broken = false;           // What follows `all` is marked as a certificate and is none.
};

// Other kinds of PEM blocks are passed over. Leaves OpenSSL's queue of errors empty.
[[nodiscard]] Certificates parse_certificates(std::string_view pem);

[[nodiscard]] std::string pem_of(const std::vector<CertificatePtr>& certificates);

// Seconds; a time that cannot be read is the epoch.
[[nodiscard]] WallTime wall_time_of(const ASN1_TIME* time);

[[nodiscard]] std::string name_text(const X509_NAME* name);

}  // namespace sluice::crypto
