#include <sluice/crypto/certificate.h>

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "x509.h"

namespace sluice::crypto {
namespace {

// What wolfSSL takes of a peer by default; real chains have two to four.
constexpr size_t kChainLengthMax = 9;
constexpr uint32_t kRsaBitsMin = 2048;
constexpr uint32_t kEcBitsMin = 256;

void add_error(std::vector<Finding>& findings, std::string cause, std::string remedy) {
  findings.push_back({true, std::move(cause), std::move(remedy)});
}

void add_warning(std::vector<Finding>& findings, std::string cause, std::string remedy) {
  findings.push_back({false, std::move(cause), std::move(remedy)});
}

bool is_der(std::string_view bytes) noexcept { return bytes.starts_with('\x30'); }

// What a file holds that no PEM certificate could be read of.
Finding explain_no_certificate(std::string_view text, bool is_broken) {
  if (is_der(text)) {
    return {true, "the file is DER, not PEM",
            "convert it with `openssl x509 -inform der -in FILE -out FILE.pem`"};
  }
  if (is_broken) {
    return {true, "the first certificate in the file cannot be read",
            "get it anew; look whether it was cut off"};
  }
  if (text.find("PRIVATE KEY-----") != std::string_view::npos) {
    return {true, "the file holds a private key, but no certificate",
            "look whether certificate and key are swapped"};
  }
  return {true, "the file holds no certificate",
          "write the path of a PEM file, which has -----BEGIN CERTIFICATE----- in it"};
}

KeyKind kind_of(const EVP_PKEY* key) noexcept {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: return KeyKind::kRsa;
    case EVP_PKEY_EC: return KeyKind::kEc;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448: return KeyKind::kEdwards;
    default: return KeyKind::kOther;
  }
}

std::string address_text(const ASN1_OCTET_STRING* bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool is_v4 = ASN1_STRING_length(bytes) == 4;
  if (!is_v4 && ASN1_STRING_length(bytes) != 16) return {};
  const void* const from = ASN1_STRING_get0_data(bytes);
  if (::inet_ntop(is_v4 ? AF_INET : AF_INET6, from, text.data(), text.size()) == nullptr) return {};
  return text.data();
}

void read_names(const X509* certificate, CertificateFacts& facts) {
  using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>>;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names == nullptr) return;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      const auto* const text =
          reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
      std::string dns(text, static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
      for (char& c : dns) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      }
      facts.dns_names.push_back(std::move(dns));
    } else if (name->type == GEN_IPADD) {
      facts.addresses.push_back(address_text(name->d.iPAddress));
    }
  }
}

Digest digest_of_key(const X509* certificate) {
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (length <= 0) return {};
  const Digest digest = sha256({reinterpret_cast<const char*>(der), static_cast<size_t>(length)});
  OPENSSL_free(der);
  return digest;
}

CertificateFacts facts_of(X509* leaf, size_t chain_length) {
  CertificateFacts facts{.subject = name_text(X509_get_subject_name(leaf)),
                         .dns_names = {},
                         .addresses = {},
                         .not_before = wall_time_of(X509_get0_notBefore(leaf)),
                         .not_after = wall_time_of(X509_get0_notAfter(leaf)),
                         .spki_digest = digest_of_key(leaf),
                         .chain_length = chain_length};
  read_names(leaf, facts);
  if (const EVP_PKEY* key = X509_get0_pubkey(leaf)) {
    facts.key_kind = kind_of(key);
    facts.key_bits = static_cast<uint32_t>(EVP_PKEY_get_bits(key));
  }
  return facts;
}

void check_validity(const CertificateFacts& facts, WallTime now, std::vector<Finding>& findings) {
  if (now.unix_us < facts.not_before.unix_us) {
    add_error(findings, "the certificate is valid only from " + date_text(facts.not_before) + " on",
              "wait, or look whether this machine's clock is right");
  }
  const int64_t days = days_left(facts.not_after, now);
  if (days < 0) {
    add_error(findings, "the certificate expired on " + date_text(facts.not_after), "renew it");
  } else if (days < kExpiryWarningDays) {
    add_warning(findings,
                fmt::format("the certificate expires on {}, in {} day{}",
                            date_text(facts.not_after), days, days == 1 ? "" : "s"),
                "renew it");
  }
}

bool is_self_issued(const X509* certificate) {
  return X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
}

bool is_issued_by(const X509* subject, const X509* issuer) {
  return X509_NAME_cmp(X509_get_issuer_name(subject), X509_get_subject_name(issuer)) == 0;
}

// "the certificate" for the leaf, "certificate 2 (CN=...)" for the others.
std::string speak_of(const X509* certificate, size_t index) {
  if (index == 0) return "the certificate";
  return fmt::format("certificate {} ({})", index + 1,
                     name_text(X509_get_subject_name(certificate)));
}

void check_strength(X509* certificate, size_t index, std::vector<Finding>& findings) {
  const EVP_PKEY* const key = X509_get0_pubkey(certificate);
  const KeyKind kind = key == nullptr ? KeyKind::kOther : kind_of(key);
  const auto bits = key == nullptr ? 0 : static_cast<uint32_t>(EVP_PKEY_get_bits(key));
  const std::string who = speak_of(certificate, index);
  if (kind == KeyKind::kOther) {
    add_error(findings, who + " has a key that is neither RSA nor EC nor Ed25519",
              "make a key of 2048 bits RSA or of the curve P-256");
  } else if (kind == KeyKind::kRsa && bits < kRsaBitsMin) {
    add_error(findings, fmt::format("{} has an RSA key of {} bits, which is too weak", who, bits),
              "make a key of 2048 bits or more");
  } else if (kind == KeyKind::kEc && bits < kEcBitsMin) {
    add_error(findings, fmt::format("{} has an EC key of {} bits, which is too weak", who, bits),
              "make a key of the curve P-256 or a larger one");
  }
  // What a root signs itself with proves nothing.
  if (is_self_issued(certificate)) return;
  int digest = NID_undef;
  if (X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1) return;
  if (digest != NID_sha1 && digest != NID_md5 && digest != NID_md5_sha1) return;
  add_error(findings,
            fmt::format("{} is signed with {}, which can be forged", who, OBJ_nid2sn(digest)),
            "have it issued anew with SHA-256");
}

// The first certificate that is no authority; the chain's first when all are.
size_t leaf_index(const std::vector<CertificatePtr>& chain) {
  const auto leaf = std::ranges::find_if(
      chain, [](const CertificatePtr& one) { return X509_check_ca(one.get()) == 0; });
  return leaf == chain.end() ? 0 : static_cast<size_t>(leaf - chain.begin());
}

void check_order(const std::vector<CertificatePtr>& chain, std::vector<Finding>& findings) {
  for (size_t i = 0; i < chain.size(); ++i) {
    const X509* const one = chain[i].get();
    if (is_self_issued(one)) continue;
    const bool is_last = i + 1 == chain.size();
    if (!is_last && is_issued_by(one, chain[i + 1].get())) continue;
    const bool is_elsewhere = std::ranges::any_of(
        chain, [&](const CertificatePtr& other) { return is_issued_by(one, other.get()); });
    const std::string issuer = name_text(X509_get_issuer_name(one));
    if (is_elsewhere) {
      add_warning(findings,
                  fmt::format("the certificates stand in the wrong order: the issuer of {} does "
                              "not follow it",
                              speak_of(one, i)),
                  "put each certificate's issuer right behind it, since some clients need that");
    } else if (i == 0) {
      add_warning(findings, fmt::format("the certificate of its issuer `{}` is missing", issuer),
                  "append it, unless that is a root which all clients have");
    } else if (!is_last) {
      add_warning(findings,
                  fmt::format("the issuer of {} does not follow it, but a certificate that does "
                              "not belong there",
                              speak_of(one, i)),
                  fmt::format("append the certificate of `{}`, and remove the other", issuer));
    }
  }
}

void check_others(const std::vector<CertificatePtr>& chain, WallTime now,
                  std::vector<Finding>& findings) {
  for (size_t i = 1; i < chain.size(); ++i) {
    check_strength(chain[i].get(), i, findings);
    const WallTime end = wall_time_of(X509_get0_notAfter(chain[i].get()));
    if (days_left(end, now) >= 0) continue;
    // Clients that know another way to a root accept the chain still.
    add_warning(findings,
                fmt::format("{} expired on {}", speak_of(chain[i].get(), i), date_text(end)),
                "replace it by the one that the issuer hands out today");
  }
}

void check_use(X509* leaf, const CertificateFacts& facts, CertificateUse use,
               std::vector<Finding>& findings) {
  const bool is_server = use == CertificateUse::kServer;
  if (is_server && facts.dns_names.empty() && facts.addresses.empty()) {
    add_warning(findings, "the certificate has no subjectAltName, so that clients refuse it",
                "have it issued with the names that clients connect to");
  }
  const int purpose = is_server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;
  if (X509_check_purpose(leaf, purpose, 0) == 1) return;
  add_warning(findings,
              fmt::format("the certificate is not made for {} (its key usage says so)",
                          is_server ? "servers" : "clients"),
              fmt::format("have it issued for {} authentication", is_server ? "server" : "client"));
}

// Called for encrypted keys alone; there is nobody who could be asked for a password.
int refuse_password(char*, int, int, void* was_asked) {
  *static_cast<bool*>(was_asked) = true;
  return -1;
}

struct KeyReading {
  KeyPtr key;
  bool is_encrypted = false;
  bool is_absent = false;  // No PEM block of a private key at all.
};

KeyReading parse_key(std::string_view pem) {
  KeyReading reading;
  const BioPtr bio = open_bytes(pem);
  ERR_clear_error();
  reading.key.reset(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_password, &reading.is_encrypted));
  reading.is_absent = pem.find("PRIVATE KEY-----") == std::string_view::npos;
  ERR_clear_error();
  return reading;
}

CertificatePtr parse_der(std::span<const uint8_t> der) {
  const unsigned char* at = der.data();
  CertificatePtr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (certificate != nullptr && at != der.data() + der.size()) certificate.reset();
  return certificate;
}

}  // namespace

int64_t days_left(WallTime not_after, WallTime now) noexcept {
  constexpr int64_t kDay = 86'400'000'000;
  const int64_t left = not_after.unix_us - now.unix_us;
  return left >= 0 ? left / kDay : -1 - (-1 - left) / kDay;
}

std::string date_text(WallTime time) {
  const std::chrono::sys_time<microseconds> point{microseconds(time.unix_us)};
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(point)};
  return fmt::format("{:04}-{:02}-{:02}", int{date.year()}, unsigned{date.month()},
                     unsigned{date.day()});
}

ChainReading read_chain(std::string_view pem, CertificateUse use, WallTime now) {
  ChainReading reading;
  const Certificates parsed = parse_certificates(pem);
  const std::vector<CertificatePtr>& chain = parsed.all;
  if (chain.empty()) {
    reading.findings.push_back(explain_no_certificate(pem, parsed.is_broken));
    return reading;
  }
  if (parsed.is_broken) {
    add_error(reading.findings,
              fmt::format("certificate {} in the file cannot be read", chain.size() + 1),
              "get it anew; look whether it was cut off");
  }
  if (chain.size() > kChainLengthMax) {
    add_error(reading.findings,
              fmt::format("the file has more than {} certificates", kChainLengthMax),
              "keep the server's own and its intermediates");
  }
  reading.facts = facts_of(chain[0].get(), chain.size());
  reading.pem = pem_of(chain);
  if (const size_t own = leaf_index(chain); own != 0) {
    add_error(
        reading.findings,
        fmt::format("the certificates stand in the wrong order: number {} is the owner's, but "
                    "not the first",
                    own + 1),
        "put it first, then each certificate's issuer behind it");
    return reading;  // The rest would speak of the wrong one.
  }
  check_validity(*reading.facts, now, reading.findings);
  check_strength(chain[0].get(), 0, reading.findings);
  check_use(chain[0].get(), *reading.facts, use, reading.findings);
  check_order(chain, reading.findings);
  check_others(chain, now, reading.findings);
  ERR_clear_error();
  return reading;
}

std::vector<Finding> check_key(std::string_view key_pem, std::string_view chain_pem,
                               std::string_view chain_file) {
  std::vector<Finding> findings;
  const KeyReading reading = parse_key(key_pem);
  if (reading.is_encrypted) {
    add_error(findings, "the private key is encrypted",
              "decrypt it with `openssl pkey -in FILE -out NEW`, and let only this user read it");
  } else if (reading.key == nullptr && is_der(key_pem)) {
    add_error(findings, "the file is DER, not PEM",
              "convert it with `openssl pkey -inform der -in FILE -out FILE.pem`");
  } else if (reading.key == nullptr && reading.is_absent) {
    add_error(findings, "the file holds no private key",
              "write the path of a PEM file, which has -----BEGIN PRIVATE KEY----- in it");
  } else if (reading.key == nullptr) {
    add_error(findings, "the private key cannot be read",
              "get it anew; look whether it was cut off");
  } else {
    const Certificates certificates = parse_certificates(chain_pem);
    if (certificates.all.empty()) return findings;
    const bool is_match = X509_check_private_key(certificates.all[0].get(), reading.key.get()) == 1;
    ERR_clear_error();
    if (is_match) return findings;
    add_error(findings,
              fmt::format("the private key does not belong to the certificate {}", chain_file),
              "name the key that the certificate was requested with; the certificate must be the "
              "first in its file");
  }
  return findings;
}

std::vector<Finding> check_authorities(std::string_view pem, WallTime now) {
  std::vector<Finding> findings;
  const Certificates parsed = parse_certificates(pem);
  if (parsed.all.empty()) return {explain_no_certificate(pem, parsed.is_broken)};
  if (parsed.is_broken) {
    add_error(findings,
              fmt::format("certificate {} in the file cannot be read", parsed.all.size() + 1),
              "get it anew; look whether it was cut off");
  }
  const bool has_living = std::ranges::any_of(parsed.all, [&](const CertificatePtr& one) {
    return days_left(wall_time_of(X509_get0_notAfter(one.get())), now) >= 0;
  });
  if (!has_living) {
    add_error(findings, "every authority in the file has expired", "replace the file by a new one");
  }
  return findings;
}

bool certificate_is_for(std::span<const uint8_t> der, std::string_view host) {
  const CertificatePtr certificate = parse_der(der);
  // OpenSSL takes a dot in front for "any name below".
  if (certificate == nullptr || host.empty() || host.front() == '.') return false;
  if (host.find('\0') != std::string_view::npos) return false;
  const std::string name(host);  // For its NUL.
  std::array<unsigned char, 16> address{};
  int matches = 0;
  if (::inet_pton(AF_INET, name.c_str(), address.data()) == 1) {
    matches = X509_check_ip(certificate.get(), address.data(), 4, 0);
  } else if (::inet_pton(AF_INET6, name.c_str(), address.data()) == 1) {
    matches = X509_check_ip(certificate.get(), address.data(), 16, 0);
  } else {
    constexpr unsigned kFlags =
        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    matches = X509_check_host(certificate.get(), name.data(), name.size(), kFlags, nullptr);
  }
  ERR_clear_error();
  return matches == 1;
}

Digest spki_digest(std::span<const uint8_t> der) {
  const CertificatePtr certificate = parse_der(der);
  return certificate == nullptr ? Digest{} : digest_of_key(certificate.get());
}

std::string subject_of(std::span<const uint8_t> der) {
  const CertificatePtr certificate = parse_der(der);
  return certificate == nullptr ? std::string()
                                : name_text(X509_get_subject_name(certificate.get()));
}

}  // namespace sluice::crypto
