#include "made_certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include <sluice/base/assert.h>

namespace sluice::support {
namespace {

template <auto Free>
struct By {
  void operator()(auto* object) const noexcept { Free(object); }
};
using Bio = std::unique_ptr<BIO, By<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, By<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, By<X509_free>>;

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<size_t>(length)};
}

Bio bio_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX about;
  X509V3_set_ctx_nodb(&about);
  X509V3_set_ctx(&about, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &about, kind, value.c_str());
  SLUICE_ASSERT(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void set_name(X509_NAME* name, const std::string& common_name) {
  const auto* text = reinterpret_cast<const unsigned char*>(common_name.c_str());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0);
}

}  // namespace

MadeCertificate make_certificate(const CertificateWishes& wishes, const MadeCertificate* issuer) {
  const Key key(wishes.rsa_bits == 0
                    ? EVP_EC_gen("P-256")
                    : EVP_RSA_gen(static_cast<unsigned>(wishes.rsa_bits)));
  const Certificate made(X509_new());
  SLUICE_ASSERT(key != nullptr && made != nullptr);
  Certificate above;
  Key signer;
  if (issuer != nullptr) {
    above.reset(PEM_read_bio_X509(bio_of(issuer->certificate_pem).get(), nullptr, nullptr, nullptr));
    signer.reset(
        PEM_read_bio_PrivateKey(bio_of(issuer->key_pem).get(), nullptr, nullptr, nullptr));
    SLUICE_ASSERT(above != nullptr && signer != nullptr);
  }
  X509* parent = above ? above.get() : made.get();

  X509_set_version(made.get(), X509_VERSION_3);
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial >> 1);
  constexpr long kDay = 24 * 3600;
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -wishes.days_since_start * kDay);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), wishes.days_to_end * kDay);
  set_name(X509_get_subject_name(made.get()), wishes.common_name);
  X509_set_issuer_name(made.get(), X509_get_subject_name(parent));
  X509_set_pubkey(made.get(), key.get());
  add_extension(made.get(), parent, NID_basic_constraints,
                wishes.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(made.get(), parent, NID_key_usage,
                wishes.is_authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  add_extension(made.get(), parent, NID_subject_key_identifier, "hash");
  if (issuer != nullptr) {
    add_extension(made.get(), parent, NID_authority_key_identifier, "keyid:always");
  }
  std::string names;
  for (const std::string& name : wishes.names) names += (names.empty() ? "" : ",") + name;
  if (!names.empty()) add_extension(made.get(), parent, NID_subject_alt_name, names);
  X509_sign(made.get(), signer ? signer.get() : key.get(), EVP_sha256());

  const Bio certificate(BIO_new(BIO_s_mem())), private_key(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(certificate.get(), made.get());
  PEM_write_bio_PrivateKey(private_key.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {text_of(certificate.get()), text_of(private_key.get())};
}

}  // namespace sluice::support
