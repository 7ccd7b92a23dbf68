#include "test_identity.h"

#include <memory>
#include <stdexcept>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace sluice::crypto {
namespace {

template <auto release>
struct Release {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};
using Bio = std::unique_ptr<BIO, Release<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Release<X509_free>>;
using KeyOperation = std::unique_ptr<EVP_PKEY_CTX, Release<EVP_PKEY_CTX_free>>;

void require(bool ok) {
  if (!ok) throw std::runtime_error("libcrypto refused to make a test's certificate");
}

const uint8_t* bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

Key make_key(TestKey key) {
  switch (key) {
    case TestKey::kRsa2048: return Key(EVP_RSA_gen(2048));
    case TestKey::kRsa2049: return Key(EVP_RSA_gen(2049));
    case TestKey::kP256: return Key(EVP_EC_gen("P-256"));
    case TestKey::kP384: return Key(EVP_EC_gen("P-384"));
    case TestKey::kP521: return Key(EVP_EC_gen("P-521"));
    case TestKey::kSecp256k1: return Key(EVP_EC_gen("secp256k1"));
    case TestKey::kEd25519: break;
  }
  return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

std::string text_of(BIO* bio) {
  char* begin = nullptr;
  const auto size = BIO_get_mem_data(bio, &begin);
  return {begin, static_cast<size_t>(size)};
}

void add_extension(X509* certificate, int kind, const char* value) {
  const std::unique_ptr<X509_EXTENSION, Release<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, kind, value));
  require(X509_add_ext(certificate, extension.get(), -1) == 1);
}

std::string key_text(EVP_PKEY* key, const char* passphrase) {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PKCS8PrivateKey(
              bio.get(), key, passphrase == nullptr ? nullptr : EVP_aes_128_cbc(), passphrase,
              passphrase == nullptr ? 0 : 4, nullptr, nullptr) == 1);
  return text_of(bio.get());
}

Key public_key(const TestIdentity& identity) {
  const Bio bio(BIO_new_mem_buf(identity.certificate_pem.data(), -1));
  const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  return Key(X509_get_pubkey(certificate.get()));
}

}  // namespace

TestIdentity make_test_identity(TestKey kind) {
  const Key key = make_key(kind);
  const Certificate certificate(X509_new());
  require(key != nullptr && X509_set_version(certificate.get(), 2) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3'600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 30 * 86'400);
  require(X509_set_pubkey(certificate.get(), key.get()) == 1);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, bytes("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  add_extension(certificate.get(), NID_subject_alt_name, "DNS:localhost");
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  require(X509_sign(certificate.get(), key.get(),
                    kind == TestKey::kEd25519 ? nullptr : EVP_sha256()) != 0);
  const Bio bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(bio.get(), certificate.get()) == 1);
  return {text_of(bio.get()), key_text(key.get(), nullptr)};
}

std::string encrypt_test_key(const TestIdentity& identity) {
  const Bio bio(BIO_new_mem_buf(identity.key_pem.data(), -1));
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  return key_text(key.get(), "test");
}

bool verify_test_signature(const TestIdentity& identity, std::string_view digest,
                           std::string_view signature, bool pss) {
  const Key key = public_key(identity);
  const KeyOperation operation(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  const EVP_MD* hash = digest.size() == 32   ? EVP_sha256()
                       : digest.size() == 48 ? EVP_sha384()
                                             : EVP_sha512();
  require(EVP_PKEY_verify_init(operation.get()) == 1);
  if (EVP_PKEY_is_a(key.get(), "RSA") == 1) {
    require(EVP_PKEY_CTX_set_rsa_padding(operation.get(),
                                         pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1);
  }
  require(EVP_PKEY_CTX_set_signature_md(operation.get(), hash) == 1);
  return EVP_PKEY_verify(operation.get(), bytes(signature), signature.size(), bytes(digest),
                         digest.size()) == 1;
}

bool verify_test_message(const TestIdentity& identity, std::string_view message,
                         std::string_view signature) {
  const Key key = public_key(identity);
  const std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>> operation(EVP_MD_CTX_new());
  require(EVP_DigestVerifyInit(operation.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  return EVP_DigestVerify(operation.get(), bytes(signature), signature.size(), bytes(message),
                          message.size()) == 1;
}

}  // namespace sluice::crypto
