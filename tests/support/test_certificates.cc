#include "test_certificates.h"

#include <memory>

#include <openssl/bio.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <sluice/base/assert.h>

namespace sluice::support {
namespace {

template <auto Free>
struct FreedBy {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, FreedBy<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;

BioPtr memory() { return BioPtr(BIO_new(BIO_s_mem())); }

BioPtr open_text(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(const BioPtr& bio) {
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(length)};
}

KeyPtr make_dsa_key() {
  using KeyMakerPtr = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
  EVP_PKEY* made = nullptr;
  const KeyMakerPtr numbers(EVP_PKEY_CTX_new_id(EVP_PKEY_DSA, nullptr));
  SLUICE_ASSERT(EVP_PKEY_paramgen_init(numbers.get()) == 1);
  SLUICE_ASSERT(EVP_PKEY_CTX_set_dsa_paramgen_bits(numbers.get(), 1024) == 1);
  SLUICE_ASSERT(EVP_PKEY_paramgen(numbers.get(), &made) == 1);
  const KeyPtr parameters(made);
  made = nullptr;
  const KeyMakerPtr maker(EVP_PKEY_CTX_new(parameters.get(), nullptr));
  SLUICE_ASSERT(EVP_PKEY_keygen_init(maker.get()) == 1);
  SLUICE_ASSERT(EVP_PKEY_keygen(maker.get(), &made) == 1);
  return KeyPtr(made);
}

KeyPtr make_key(TestKeyKind kind) {
  switch (kind) {
    case TestKeyKind::kEc256: return KeyPtr(EVP_EC_gen("P-256"));
    case TestKeyKind::kEc192: return KeyPtr(EVP_EC_gen("P-192"));
    case TestKeyKind::kRsa2048: return KeyPtr(EVP_RSA_gen(2048));
    case TestKeyKind::kRsa1024: return KeyPtr(EVP_RSA_gen(1024));
    case TestKeyKind::kEd25519: return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    case TestKeyKind::kDsa: return make_dsa_key();
  }
  return nullptr;
}

std::string to_pem(EVP_PKEY* key) {
  const BioPtr bio = memory();
  SLUICE_ASSERT(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr));
  return text_of(bio);
}

KeyPtr key_of(std::string_view pem) {
  return KeyPtr(PEM_read_bio_PrivateKey(open_text(pem).get(), nullptr, nullptr, nullptr));
}

CertificatePtr certificate_of(std::string_view pem) {
  return CertificatePtr(PEM_read_bio_X509(open_text(pem).get(), nullptr, nullptr, nullptr));
}

void add_name(X509_NAME* name, const char* field, const std::string& text) {
  SLUICE_ASSERT(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                           reinterpret_cast<const unsigned char*>(text.c_str()), -1,
                                           -1, 0) == 1);
}

void add_extension(X509* certificate, int kind, const std::string& value) {
  if (value.empty()) return;
  using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreedBy<X509_EXTENSION_free>>;
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()));
  SLUICE_ASSERT(extension != nullptr);
  SLUICE_ASSERT(X509_add_ext(certificate, extension.get(), -1) == 1);
}

std::time_t seconds_at(WallTime now, int64_t days) {
  return static_cast<std::time_t>(now.unix_us / 1'000'000 + days * 86'400);
}

}  // namespace

TestCertificate make_certificate(const CertificateWish& wish) {
  static long last_serial = 0;
  const KeyPtr key = make_key(wish.key);
  SLUICE_ASSERT(key != nullptr);
  const CertificatePtr certificate(X509_new());
  X509* const made = certificate.get();
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made), ++last_serial);
  ASN1_TIME_set(X509_getm_notBefore(made), seconds_at(wish.now, wish.from_days));
  ASN1_TIME_set(X509_getm_notAfter(made), seconds_at(wish.now, wish.until_days));
  X509_set_pubkey(made, key.get());
  X509_NAME* const subject = X509_get_subject_name(made);
  if (!wish.organization.empty()) add_name(subject, "O", wish.organization);
  add_name(subject, "CN", wish.common_name);
  add_extension(made, NID_basic_constraints, wish.is_authority ? "critical,CA:TRUE" : "");
  add_extension(made, NID_subject_alt_name, wish.subject_alt_name);
  add_extension(made, NID_ext_key_usage, wish.key_usage);
  const CertificatePtr issuer = wish.issuer ? certificate_of(wish.issuer->pem) : nullptr;
  const KeyPtr issuer_key = wish.issuer ? key_of(wish.issuer->key_pem) : nullptr;
  X509_set_issuer_name(made, X509_get_subject_name(issuer ? issuer.get() : made));
  EVP_PKEY* const signer = issuer_key ? issuer_key.get() : key.get();
  const bool takes_digest = EVP_PKEY_get_base_id(signer) != EVP_PKEY_ED25519;
  const EVP_MD* const digest = takes_digest ? EVP_get_digestbyname(wish.digest) : nullptr;
  SLUICE_ASSERT(X509_sign(made, signer, digest) > 0);
  const BioPtr bio = memory();
  SLUICE_ASSERT(PEM_write_bio_X509(bio.get(), made) == 1);
  return {text_of(bio), to_pem(key.get())};
}

std::vector<uint8_t> der_of(std::string_view pem) {
  const CertificatePtr certificate = certificate_of(pem);
  const BioPtr bio = memory();
  SLUICE_ASSERT(i2d_X509_bio(bio.get(), certificate.get()) == 1);
  const std::string der = text_of(bio);
  return {der.begin(), der.end()};
}

std::string encrypted_key(std::string_view key_pem) {
  const BioPtr bio = memory();
  SLUICE_ASSERT(PEM_write_bio_PKCS8PrivateKey(bio.get(), key_of(key_pem).get(), EVP_aes_256_cbc(),
                                              "password", 8, nullptr, nullptr) == 1);
  return text_of(bio);
}

std::string key_der(std::string_view key_pem) {
  const BioPtr bio = memory();
  SLUICE_ASSERT(i2d_PrivateKey_bio(bio.get(), key_of(key_pem).get()) == 1);
  return text_of(bio);
}

namespace {

std::string ocsp_text(OCSP_RESPONSE* response) {
  unsigned char* der = nullptr;
  const int length = i2d_OCSP_RESPONSE(response, &der);
  SLUICE_ASSERT(length > 0);
  std::string text(reinterpret_cast<char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  OCSP_RESPONSE_free(response);
  return text;
}

}  // namespace

std::string make_ocsp(const TestCertificate& leaf, const TestCertificate& issuer,
                      const OcspWish& wish) {
  using TimePtr = std::unique_ptr<ASN1_TIME, FreedBy<ASN1_TIME_free>>;
  using BasicPtr = std::unique_ptr<OCSP_BASICRESP, FreedBy<OCSP_BASICRESP_free>>;
  using IdPtr = std::unique_ptr<OCSP_CERTID, FreedBy<OCSP_CERTID_free>>;
  const CertificatePtr leaf_certificate = certificate_of(leaf.pem);
  const CertificatePtr issuer_certificate = certificate_of(issuer.pem);
  const TimePtr from(ASN1_TIME_set(nullptr, seconds_at(wish.now, wish.from_days)));
  const TimePtr until(ASN1_TIME_set(nullptr, seconds_at(wish.now, wish.until_days)));
  const IdPtr id(OCSP_cert_to_id(EVP_sha1(), leaf_certificate.get(), issuer_certificate.get()));
  const BasicPtr basic(OCSP_BASICRESP_new());
  const bool is_revoked = wish.status == OcspWish::Status::kRevoked;
  SLUICE_ASSERT(OCSP_basic_add1_status(basic.get(), id.get(), static_cast<int>(wish.status),
                                       OCSP_REVOKED_STATUS_KEYCOMPROMISE,
                                       is_revoked ? from.get() : nullptr, from.get(),
                                       until.get()) != nullptr);
  SLUICE_ASSERT(OCSP_basic_sign(basic.get(), issuer_certificate.get(), key_of(issuer.key_pem).get(),
                                EVP_sha256(), nullptr, 0) == 1);
  return ocsp_text(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
}

std::string make_ocsp_refusal() {
  return ocsp_text(OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, nullptr));
}

}  // namespace sluice::support
