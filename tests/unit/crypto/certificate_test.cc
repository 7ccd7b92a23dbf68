#include <sluice/crypto/certificate.h>

#include <gtest/gtest.h>

#include "test_certificates.h"

namespace sluice::crypto {
namespace {

using support::CertificateWish;
using support::make_certificate;
using support::TestCertificate;
using support::TestKeyKind;

constexpr WallTime kNow{1'750'000'000'000'000};  // 2025-06-15.

// "error: cause; remedy", one a line.
std::string text_of(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += (finding.is_error ? "error: " : "warning: ") + finding.cause + "; " + finding.remedy;
    text += "\n";
  }
  return text;
}

std::string findings_of(std::string_view pem, CertificateUse use = CertificateUse::kServer) {
  return text_of(read_chain(pem, use, kNow).findings);
}

// An authority, an intermediate below it, and what it issues.
class CertificateTest : public ::testing::Test {
 protected:
  static TestCertificate issue(CertificateWish wish) {
    wish.issuer = &intermediate();
    return make_certificate(wish);
  }
  static const TestCertificate& root() {
    static const TestCertificate made =
        make_certificate({.common_name = "root", .subject_alt_name = "", .is_authority = true});
    return made;
  }
  static const TestCertificate& intermediate() {
    static const TestCertificate made = make_certificate({.common_name = "between",
                                                          .subject_alt_name = "",
                                                          .issuer = &root(),
                                                          .is_authority = true});
    return made;
  }
  static const TestCertificate& leaf() {
    static const TestCertificate made = issue({});
    return made;
  }
};

TEST_F(CertificateTest, facts_are_those_of_the_leaf) {
  const TestCertificate one =
      issue({.common_name = "h\xc3\xb6st",
             .organization = "Example, Inc.",
             .subject_alt_name = "DNS:API.Example.com,DNS:*.example.org,IP:10.0.0.7,IP:fd00::7",
             .from_days = -2,
             .until_days = 30});
  const ChainReading reading =
      read_chain(one.pem + intermediate().pem + root().pem, CertificateUse::kServer, kNow);
  ASSERT_TRUE(reading.facts);
  const CertificateFacts& facts = *reading.facts;
  EXPECT_EQ(facts.subject, "CN=h\\C3\\B6st,O=Example\\, Inc.");
  EXPECT_EQ(facts.dns_names, (std::vector<std::string>{"api.example.com", "*.example.org"}));
  EXPECT_EQ(facts.addresses, (std::vector<std::string>{"10.0.0.7", "fd00::7"}));
  EXPECT_EQ(facts.not_before.unix_us, kNow.unix_us - 2 * 86'400'000'000);
  EXPECT_EQ(facts.not_after.unix_us, kNow.unix_us + 30 * 86'400'000'000);
  EXPECT_EQ(facts.key_kind, KeyKind::kEc);
  EXPECT_EQ(facts.key_bits, 256u);
  EXPECT_EQ(facts.chain_length, 3u);
  EXPECT_EQ(facts.spki_digest, spki_digest(support::der_of(one.pem)));
  EXPECT_NE(facts.spki_digest, Digest{});
  EXPECT_EQ(text_of(reading.findings), "");
}

TEST_F(CertificateTest, text_around_the_blocks_and_the_key_in_the_same_file_do_not_matter) {
  EXPECT_EQ(findings_of("subject=x\n" + leaf().key_pem + "\n" + leaf().pem + "\nmore\n" +
                        intermediate().pem),
            "");
}

TEST_F(CertificateTest, good_kinds_of_keys_are_told_apart) {
  for (const auto& [kind, expected, bits] :
       {std::tuple(TestKeyKind::kRsa2048, KeyKind::kRsa, 2048u),
        std::tuple(TestKeyKind::kEd25519, KeyKind::kEdwards, 256u)}) {
    const auto one = issue({.key = kind});
    const auto reading = read_chain(one.pem + intermediate().pem, CertificateUse::kServer, kNow);
    EXPECT_EQ(reading.facts.value().key_kind, expected);
    EXPECT_EQ(reading.facts.value().key_bits, bits);
    EXPECT_EQ(text_of(reading.findings), "");
    EXPECT_EQ(text_of(check_key(one.key_pem, one.pem, "a.pem")), "");
  }
}

TEST_F(CertificateTest, files_without_a_certificate_are_told_apart) {
  EXPECT_EQ(findings_of(""),
            "error: the file holds no certificate; write the path of a PEM file, which has "
            "-----BEGIN CERTIFICATE----- in it\n");
  EXPECT_EQ(findings_of("hello\n"), findings_of(""));
  EXPECT_EQ(findings_of(leaf().key_pem),
            "error: the file holds a private key, but no certificate; look whether certificate "
            "and key are swapped\n");
  const std::vector<uint8_t> der = support::der_of(leaf().pem);
  EXPECT_EQ(findings_of({reinterpret_cast<const char*>(der.data()), der.size()}),
            "error: the file is DER, not PEM; convert it with `openssl x509 -inform der -in FILE "
            "-out FILE.pem`\n");
  EXPECT_FALSE(read_chain("", CertificateUse::kServer, kNow).facts);
}

TEST_F(CertificateTest, broken_pem_is_an_error_wherever_it_is_cut) {
  EXPECT_EQ(findings_of(leaf().pem.substr(0, leaf().pem.size() / 2)),
            "error: the first certificate in the file cannot be read; get it anew; look whether "
            "it was cut off\n");
  std::string garbled = intermediate().pem;
  garbled.replace(garbled.find('\n') + 1, 8, "AAAAAAAA");
  EXPECT_TRUE(findings_of(leaf().pem + garbled)
                  .starts_with("error: certificate 2 in the file cannot be read; "));
  for (size_t end = 0; end < leaf().pem.size() - 1; end += 7) {
    EXPECT_TRUE(findings_of(leaf().pem.substr(0, end)).starts_with("error: ")) << end;
  }
}

TEST_F(CertificateTest, life_ends_on_its_day) {
  const auto with = [](int64_t from, int64_t until) {
    return findings_of(issue({.from_days = from, .until_days = until}).pem + intermediate().pem);
  };
  EXPECT_EQ(with(-10, -1), "error: the certificate expired on 2025-06-14; renew it\n");
  EXPECT_EQ(with(2, 100),
            "error: the certificate is valid only from 2025-06-17 on; wait, or look whether this "
            "machine's clock is right\n");
  EXPECT_EQ(with(-10, 1), "warning: the certificate expires on 2025-06-16, in 1 day; renew it\n");
  EXPECT_EQ(with(-10, 13),
            "warning: the certificate expires on 2025-06-28, in 13 days; renew it\n");
  EXPECT_EQ(with(-10, 0), "warning: the certificate expires on 2025-06-15, in 0 days; renew it\n");
  EXPECT_EQ(with(-10, 14), "");
}

TEST(Certificate, days_are_whole_and_negative_once_over) {
  constexpr int64_t kDay = 86'400'000'000;
  for (const auto& [left_us, days] : {std::pair<int64_t, int64_t>(kDay, 1),
                                      {kDay - 1, 0},
                                      {0, 0},
                                      {-1, -1},
                                      {-kDay, -1},
                                      {-kDay - 1, -2},
                                      {15 * kDay + 1, 15}}) {
    EXPECT_EQ(days_left({kNow.unix_us + left_us}, kNow), days) << left_us;
  }
  EXPECT_EQ(date_text({-1}), "1969-12-31");
}

TEST_F(CertificateTest, a_missing_intermediate_is_named) {
  EXPECT_EQ(findings_of(leaf().pem),
            "warning: the certificate of its issuer `CN=between` is missing; append it, unless "
            "that is a root which all clients have\n");
  EXPECT_EQ(findings_of(leaf().pem + root().pem), findings_of(leaf().pem));
}

TEST_F(CertificateTest, a_self_signed_certificate_needs_no_issuer) {
  EXPECT_EQ(findings_of(make_certificate({}).pem), "");
  EXPECT_EQ(findings_of(make_certificate({.is_authority = true}).pem), "");
}

TEST_F(CertificateTest, the_order_of_the_chain_matters) {
  EXPECT_EQ(findings_of(intermediate().pem + leaf().pem),
            "error: the certificates stand in the wrong order: number 2 is the owner's, but not "
            "the first; put it first, then each certificate's issuer behind it\n");
  EXPECT_TRUE(findings_of(leaf().pem + root().pem + intermediate().pem)
                  .starts_with("warning: the certificates stand in the wrong order: the issuer of "
                               "the certificate does not follow it; "));
  const TestCertificate stranger = make_certificate({.common_name = "stranger"});
  EXPECT_EQ(findings_of(leaf().pem + intermediate().pem + stranger.pem),
            "warning: the issuer of certificate 2 (CN=between) does not follow it, but a "
            "certificate that does not belong there; append the certificate of `CN=root`, and "
            "remove the other\n");
}

TEST_F(CertificateTest, an_expired_intermediate_is_warned_of) {
  const TestCertificate old = make_certificate({.common_name = "old",
                                                .subject_alt_name = "",
                                                .issuer = &root(),
                                                .is_authority = true,
                                                .from_days = -9,
                                                .until_days = -3});
  const TestCertificate one = make_certificate({.issuer = &old});
  EXPECT_EQ(findings_of(one.pem + old.pem),
            "warning: certificate 2 (CN=old) expired on 2025-06-12; replace it by the one that "
            "the issuer hands out today\n");
}

TEST_F(CertificateTest, weak_keys_are_errors) {
  const auto with = [](TestKeyKind kind) {
    return findings_of(issue({.key = kind}).pem + intermediate().pem);
  };
  EXPECT_EQ(with(TestKeyKind::kRsa1024),
            "error: the certificate has an RSA key of 1024 bits, which is too weak; make a key of "
            "2048 bits or more\n");
  EXPECT_EQ(with(TestKeyKind::kEc192),
            "error: the certificate has an EC key of 192 bits, which is too weak; make a key of "
            "the curve P-256 or a larger one\n");
  EXPECT_TRUE(
      with(TestKeyKind::kDsa).starts_with("error: the certificate has a key that is neither"));
}

TEST_F(CertificateTest, weak_signatures_are_errors_in_the_chain_but_not_of_a_root) {
  const TestCertificate rsa_root = make_certificate({.common_name = "root of RSA",
                                                     .subject_alt_name = "",
                                                     .is_authority = true,
                                                     .key = TestKeyKind::kRsa2048});
  for (const char* digest : {"SHA1", "MD5"}) {
    const std::string name = digest;
    EXPECT_EQ(
        findings_of(make_certificate({.issuer = &rsa_root, .digest = digest}).pem + rsa_root.pem),
        "error: the certificate is signed with " + name +
            ", which can be forged; have it issued anew with SHA-256\n");
  }
  const TestCertificate old_root = make_certificate(
      {.common_name = "old root", .subject_alt_name = "", .is_authority = true, .digest = "SHA1"});
  EXPECT_EQ(findings_of(make_certificate({.issuer = &old_root}).pem + old_root.pem), "");
  const TestCertificate between = make_certificate({.common_name = "weak",
                                                    .subject_alt_name = "",
                                                    .issuer = &root(),
                                                    .is_authority = true,
                                                    .digest = "SHA1"});
  EXPECT_TRUE(findings_of(make_certificate({.issuer = &between}).pem + between.pem)
                  .starts_with("error: certificate 2 (CN=weak) is signed with SHA1"));
}

TEST_F(CertificateTest, servers_need_names_and_clients_do_not) {
  const TestCertificate one = issue({.subject_alt_name = ""});
  EXPECT_EQ(findings_of(one.pem + intermediate().pem),
            "warning: the certificate has no subjectAltName, so that clients refuse it; have it "
            "issued with the names that clients connect to\n");
  EXPECT_EQ(findings_of(one.pem + intermediate().pem, CertificateUse::kClient), "");
}

TEST_F(CertificateTest, a_certificate_made_for_the_other_side_is_warned_of) {
  const TestCertificate client = issue({.key_usage = "clientAuth"});
  EXPECT_EQ(findings_of(client.pem + intermediate().pem, CertificateUse::kClient), "");
  EXPECT_EQ(findings_of(client.pem + intermediate().pem),
            "warning: the certificate is not made for servers (its key usage says so); have it "
            "issued for server authentication\n");
  const TestCertificate server = issue({.key_usage = "serverAuth"});
  EXPECT_TRUE(findings_of(server.pem + intermediate().pem, CertificateUse::kClient)
                  .starts_with("warning: the certificate is not made for clients"));
}

TEST_F(CertificateTest, a_chain_has_a_bound) {
  std::string chain = leaf().pem;
  for (int i = 0; i < 9; ++i) chain += root().pem;
  EXPECT_TRUE(findings_of(chain).contains("error: the file has more than 9 certificates; "));
}

TEST_F(CertificateTest, keys_are_checked) {
  EXPECT_EQ(text_of(check_key(leaf().key_pem, leaf().pem, "a.pem")), "");
  EXPECT_EQ(text_of(check_key(leaf().key_pem, "", "a.pem")), "");
  EXPECT_EQ(
      text_of(check_key(root().key_pem, leaf().pem, "a.pem")),
      "error: the private key does not belong to the certificate a.pem; name the key that the "
      "certificate was requested with; the certificate must be the first in its file\n");
  EXPECT_TRUE(text_of(check_key(support::encrypted_key(leaf().key_pem), leaf().pem, "a.pem"))
                  .starts_with("error: the private key is encrypted; "));
  EXPECT_TRUE(text_of(check_key(leaf().pem, leaf().pem, "a.pem"))
                  .starts_with("error: the file holds no private key; "));
  EXPECT_TRUE(text_of(check_key(support::key_der(leaf().key_pem), leaf().pem, "a.pem"))
                  .starts_with("error: the file is DER, not PEM; "));
  std::string cut = leaf().key_pem;
  cut.erase(cut.size() / 2);
  EXPECT_TRUE(text_of(check_key(cut, leaf().pem, "a.pem"))
                  .starts_with("error: the private key cannot be read; "));
  EXPECT_TRUE(
      text_of(check_key("", leaf().pem, "a.pem")).starts_with("error: the file holds no private"));
}

TEST_F(CertificateTest, authorities_are_checked) {
  const auto check = [](std::string_view pem) { return text_of(check_authorities(pem, kNow)); };
  EXPECT_EQ(check(root().pem + intermediate().pem), "");
  EXPECT_TRUE(check("").starts_with("error: the file holds no certificate; "));
  EXPECT_TRUE(check(root().pem + root().pem.substr(0, 100))
                  .starts_with("error: certificate 2 in the file cannot be read; "));
  const TestCertificate old = make_certificate({.is_authority = true, .until_days = -1});
  EXPECT_EQ(check(old.pem),
            "error: every authority in the file has expired; replace the file by a new one\n");
  EXPECT_EQ(check(old.pem + root().pem), "");
}

TEST_F(CertificateTest, names_are_matched_by_subject_alt_names_alone) {
  const auto der = support::der_of(
      issue({.common_name = "common.example",
             .subject_alt_name = "DNS:api.example.com,DNS:*.example.org,IP:10.0.0.7,IP:fd00::7"})
          .pem);
  for (const char* host : {"api.example.com", "API.EXAMPLE.com", "a.example.org", "10.0.0.7",
                           "fd00::7", "FD00:0::7"}) {
    EXPECT_TRUE(certificate_is_for(der, host)) << host;
  }
  for (const char* host :
       {"", "common.example", "example.org", "a.b.example.org", "xapi.example.com",
        "api.example.com.evil", "10.0.0.8", "fd00::8", ".example.org", "com"}) {
    EXPECT_FALSE(certificate_is_for(der, host)) << host;
  }
  const auto bare =
      support::der_of(issue({.common_name = "bare.example", .subject_alt_name = ""}).pem);
  EXPECT_FALSE(certificate_is_for(bare, "bare.example"));
  const auto odd =
      support::der_of(issue({.subject_alt_name = "DNS:a*.example.com,DNS:10.0.0.9"}).pem);
  EXPECT_FALSE(certificate_is_for(odd, "ab.example.com"));
  EXPECT_FALSE(certificate_is_for(odd, "10.0.0.9"));
}

TEST_F(CertificateTest, der_that_cannot_be_read_has_no_name_no_pin_and_no_subject) {
  auto der = support::der_of(leaf().pem);
  EXPECT_EQ(subject_of(der), "CN=leaf");
  EXPECT_TRUE(certificate_is_for(der, "api.example.com"));
  der.push_back(0);
  EXPECT_EQ(subject_of(der), "");
  EXPECT_EQ(spki_digest(der), Digest{});
  EXPECT_FALSE(certificate_is_for(der, "api.example.com"));
  for (size_t size = 0; size + 1 < der.size(); size += 11) {
    EXPECT_EQ(subject_of(std::span(der).first(size)), "") << size;
  }
}

TEST_F(CertificateTest, ocsp_responses_are_judged) {
  using Status = support::OcspWish::Status;
  const auto read = [](const std::string& der, const std::string& chain) {
    const OcspReading reading = read_ocsp(der, chain, kNow);
    return std::string(reading.may_be_stapled ? "staple " : "") + text_of(reading.findings);
  };
  const std::string chain = leaf().pem + intermediate().pem;
  const auto with = [&](support::OcspWish wish) {
    return read(support::make_ocsp(leaf(), intermediate(), wish), chain);
  };
  EXPECT_EQ(with({}), "staple ");
  EXPECT_EQ(read(support::make_ocsp(leaf(), intermediate(), {}), leaf().pem), "staple ");
  EXPECT_EQ(with({.status = Status::kRevoked}),
            "error: the issuer revoked the certificate on 2025-06-14; have a new certificate "
            "issued, with a new key\n");
  EXPECT_TRUE(with({.status = Status::kUnknown}).starts_with("error: the OCSP response says that"));
  EXPECT_EQ(with({.from_days = -9, .until_days = -2}),
            "warning: the OCSP response is out of date since 2025-06-13 and is not stapled; fetch "
            "it anew from the issuer's OCSP server\n");
  EXPECT_TRUE(
      with({.from_days = 1}).starts_with("warning: the OCSP response comes from the future"));
}

TEST_F(CertificateTest, ocsp_responses_of_something_else_are_errors) {
  const auto read = [](const std::string& der, const std::string& chain) {
    const OcspReading reading = read_ocsp(der, chain, kNow);
    EXPECT_FALSE(reading.may_be_stapled);
    return text_of(reading.findings);
  };
  const std::string chain = leaf().pem + intermediate().pem;
  const TestCertificate other = issue({.common_name = "other"});
  const std::string of_other = support::make_ocsp(other, intermediate(), {});
  EXPECT_TRUE(read(of_other, chain).starts_with("error: the OCSP response is for another"));
  EXPECT_TRUE(read(of_other, leaf().pem).starts_with("error: the OCSP response is for another"));
  EXPECT_TRUE(read(support::make_ocsp(leaf(), root(), {}), chain)
                  .starts_with("error: the OCSP response is for another"));
  EXPECT_EQ(read(support::make_ocsp_refusal(), chain),
            "error: the OCSP server answered with the error `trylater`; fetch it anew from the "
            "issuer's OCSP server\n");
  EXPECT_TRUE(read(leaf().pem, chain).starts_with("error: the file is no OCSP response in DER; "));
  EXPECT_TRUE(read("", chain).starts_with("error: the file is no OCSP response in DER; "));
}

}  // namespace
}  // namespace sluice::crypto
