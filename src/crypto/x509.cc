#include "x509.h"

#include <climits>
#include <ctime>

#include <openssl/err.h>
#include <openssl/pem.h>

#include <sluice/base/assert.h>

namespace sluice::crypto {

namespace {

std::string text_of(const BioPtr& bio) {
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(length)};
}

}  // namespace

BioPtr open_bytes(std::string_view bytes) {
  SLUICE_ASSERT(bytes.size() <= INT_MAX);
  BioPtr bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  SLUICE_ASSERT(bio != nullptr);
  return bio;
}

Certificates parse_certificates(std::string_view pem) {
  Certificates certificates;
  const BioPtr bio = open_bytes(pem);
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.all.emplace_back(certificate);
  }
  certificates.is_broken = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
  ERR_clear_error();
  return certificates;
}

std::string pem_of(const std::vector<CertificatePtr>& certificates) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  SLUICE_ASSERT(bio != nullptr);
  for (const CertificatePtr& one : certificates) {
    SLUICE_ASSERT(PEM_write_bio_X509(bio.get(), one.get()) == 1);
  }
  return text_of(bio);
}

WallTime wall_time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return {static_cast<int64_t>(::timegm(&parts)) * 1'000'000};
}

std::string name_text(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  SLUICE_ASSERT(bio != nullptr);
  if (X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  return text_of(bio);
}

}  // namespace sluice::crypto
