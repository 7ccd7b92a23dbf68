#include <sluice/control/tls_files.h>

#include <map>

#include <gtest/gtest.h>

#include <sluice/crypto/certificate.h>

#include "test_certificates.h"

namespace sluice::control {
namespace {

using support::CertificateWish;
using support::make_certificate;
using support::TestCertificate;

constexpr WallTime kNow{1'750'000'000'000'000};

// Files that exist only here, and how often each was read.
class Files final : public config::Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string&) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::expected<config::FileText, std::string> read(const std::string& path,
                                                                  size_t bytes_max) const override {
    ++reads[path];
    const auto file = files.find(path);
    if (file == files.end()) return std::unexpected("No such file or directory");
    if (file->second.text.size() > bytes_max) return std::unexpected("larger than allowed");
    return file->second;
  }
  std::map<std::string, config::FileText> files;
  mutable std::map<std::string, int> reads;
};

std::string text_of(const std::vector<config::Diagnostic>& diagnostics) {
  std::string text;
  for (const config::Diagnostic& one : diagnostics) text += config::to_string(one) + "\n";
  return text;
}

class TlsFilesTest : public ::testing::Test {
 protected:
  TlsFilesTest() {
    authority_ =
        make_certificate({.common_name = "ca", .subject_alt_name = "", .is_authority = true});
    write_pair("a", {.subject_alt_name = "DNS:A.example,DNS:*.a.example"});
    write_pair("b", {.subject_alt_name = "DNS:b.example"});
    write("ca.pem", authority_.pem);
    snapshot_.tls.emplace();
    snapshot_.tls->certificates = {pair("a")};
    snapshot_.upstreams.resize(3);
  }
  void write(const std::string& path, std::string text, bool others_may_read = false) {
    environment_.files[path] = {std::move(text), others_may_read};
  }
  TestCertificate write_pair(const std::string& name, CertificateWish wish) {
    wish.issuer = &authority_;
    TestCertificate made = make_certificate(wish);
    write(name + ".pem", made.pem + authority_.pem);
    write(name + ".key", made.key_pem);
    return made;
  }
  static config::CertificateFiles pair(const std::string& name) {
    return {name + ".pem", name + ".key", ""};
  }
  config::UpstreamTls& upstream_tls(size_t index) {
    config::UpstreamTls& tls = snapshot_.upstreams[index].tls.emplace();
    tls.server_name = "up.example";
    return tls;
  }
  TlsReading read() { return read_tls_files(snapshot_, environment_, kNow); }
  std::string errors() {
    const TlsReading reading = read();
    EXPECT_EQ(text_of(reading.warnings), "");
    return text_of(reading.errors);
  }

  config::Snapshot snapshot_;
  Files environment_;
  TestCertificate authority_;
};

TEST_F(TlsFilesTest, without_tls_nothing_is_read) {
  snapshot_.tls.reset();
  const TlsReading reading = read();
  EXPECT_FALSE(reading.files.server);
  ASSERT_EQ(reading.files.upstreams.size(), 3u);
  EXPECT_FALSE(reading.files.upstreams[0]);
  EXPECT_TRUE(environment_.reads.empty());
}

TEST_F(TlsFilesTest, the_listener_has_its_identities_in_the_order_of_the_file) {
  snapshot_.tls->certificates = {pair("a"), pair("b")};
  snapshot_.tls->version_min = config::TlsVersion::k13;
  snapshot_.tls->client_certificates = config::ClientCertificates::kOptional;
  snapshot_.tls->client_ca = "ca.pem";
  TlsReading reading = read();
  EXPECT_EQ(text_of(reading.errors) + text_of(reading.warnings), "");
  const TlsFiles files = std::move(reading.files);
  ASSERT_TRUE(files.server);
  EXPECT_EQ(files.server->version_min, net::TlsVersion::k13);
  EXPECT_EQ(files.server->client_certificates, net::ClientCertificates::kOptional);
  EXPECT_EQ(files.server->client_ca_pem, authority_.pem);
  ASSERT_EQ(files.server->identities.size(), 2u);
  const net::TlsIdentity& first = *files.server->identities[0];
  EXPECT_EQ(&first, &files.identities[0]);
  EXPECT_EQ(first.chain_pem, environment_.files["a.pem"].text);
  EXPECT_EQ(first.key_pem.reveal(), environment_.files["a.key"].text);
  EXPECT_EQ(first.names, (std::vector<std::string>{"a.example", "*.a.example"}));
  EXPECT_EQ(first.ocsp_der, "");
  EXPECT_EQ(files.server->identities[1]->names, std::vector<std::string>{"b.example"});
  ASSERT_EQ(files.lives.size(), 2u);
  EXPECT_EQ(files.lives[0].file, "a.pem");
  EXPECT_EQ(files.lives[0].not_after.unix_us, kNow.unix_us + 100 * 86'400'000'000);
}

TEST_F(TlsFilesTest, an_upstream_has_its_settings_and_one_without_has_none) {
  config::UpstreamTls& tls = upstream_tls(1);
  tls.ca = "ca.pem";
  tls.verify = false;
  tls.identity = pair("b");
  tls.pins = {{1, 2, 3}};
  tls.version_min = config::TlsVersion::k13;
  const TlsReading reading = read();
  EXPECT_EQ(text_of(reading.errors) + text_of(reading.warnings), "");
  EXPECT_FALSE(reading.files.upstreams[0]);
  EXPECT_FALSE(reading.files.upstreams[2]);
  ASSERT_TRUE(reading.files.upstreams[1]);
  const net::TlsClientSettings& settings = *reading.files.upstreams[1];
  EXPECT_EQ(settings.ca_pem, authority_.pem);
  EXPECT_FALSE(settings.verify);
  EXPECT_EQ(settings.server_name, "up.example");
  EXPECT_EQ(settings.version_min, net::TlsVersion::k13);
  EXPECT_EQ(settings.pins, tls.pins);
  ASSERT_NE(settings.identity, nullptr);
  EXPECT_EQ(settings.identity->key_pem.reveal(), environment_.files["b.key"].text);
}

TEST_F(TlsFilesTest, files_named_often_are_read_once_and_kept_once) {
  for (size_t i = 0; i < 3; ++i) {
    upstream_tls(i).ca = "ca.pem";
    snapshot_.upstreams[i].tls->identity = pair("a");
  }
  const TlsReading reading = read();
  EXPECT_EQ(text_of(reading.errors), "");
  EXPECT_EQ(environment_.reads,
            (std::map<std::string, int>{{"a.pem", 1}, {"a.key", 1}, {"ca.pem", 1}}));
  EXPECT_EQ(reading.files.identities.size(), 1u);
  EXPECT_EQ(reading.files.lives.size(), 1u);
  EXPECT_EQ(reading.files.upstreams[2]->identity, reading.files.server->identities[0]);
}

TEST_F(TlsFilesTest, a_file_that_cannot_be_read_is_named_with_the_key_that_names_it) {
  environment_.files.erase("a.key");
  upstream_tls(2).ca = "none.pem";
  EXPECT_EQ(errors(),
            "a.key: tls.certificates[0].key cannot be read: No such file or directory; create the "
            "file, or let this user read it\n"
            "none.pem: upstreams[2].tls.ca cannot be read: No such file or directory; create the "
            "file, or let this user read it\n");
}

TEST_F(TlsFilesTest, findings_have_the_file_that_they_are_about) {
  write_pair("a", {.from_days = -20, .until_days = -1});
  write("a.key", environment_.files["b.key"].text);
  write("ca.pem", "nothing");
  snapshot_.tls->client_ca = "ca.pem";
  EXPECT_EQ(errors(),
            "a.pem: the certificate expired on 2025-06-14; renew it\n"
            "a.key: the private key does not belong to the certificate a.pem; name the key that "
            "the certificate was requested with; the certificate must be the first in its file\n"
            "ca.pem: the file holds no certificate; write the path of a PEM file, which has "
            "-----BEGIN CERTIFICATE----- in it\n");
}

TEST_F(TlsFilesTest, a_finding_is_told_once_however_often_its_file_is_named) {
  write("ca.pem", "nothing");
  for (size_t i = 0; i < 3; ++i) upstream_tls(i).ca = "ca.pem";
  const std::string text = errors();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST_F(TlsFilesTest, one_pair_may_serve_and_be_shown_and_is_judged_for_both) {
  write_pair("a", {.subject_alt_name = "", .key_usage = "serverAuth"});
  upstream_tls(0).identity = pair("a");
  upstream_tls(1).identity = pair("a");
  const TlsReading reading = read();
  EXPECT_EQ(text_of(reading.errors), "");
  EXPECT_EQ(reading.files.identities.size(), 1u);
  EXPECT_EQ(reading.files.upstreams[1]->identity, reading.files.server->identities[0]);
  ASSERT_EQ(reading.warnings.size(), 2u);
  EXPECT_TRUE(reading.warnings[0].cause.contains("has no subjectAltName"));
  EXPECT_TRUE(reading.warnings[1].cause.contains("is not made for clients"));
}

TEST_F(TlsFilesTest, a_key_of_another_certificate_is_told_for_each) {
  snapshot_.tls->certificates = {{"a.pem", "b.key", ""}, {"b.pem", "b.key", ""}};
  upstream_tls(0).identity = config::CertificateFiles{"ca.pem", "b.key", ""};
  const std::string text = text_of(read().errors);
  EXPECT_TRUE(text.contains("b.key: the private key does not belong to the certificate a.pem; "));
  EXPECT_TRUE(text.contains("b.key: the private key does not belong to the certificate ca.pem; "));
}

TEST_F(TlsFilesTest, a_key_that_everyone_may_read_is_warned_of) {
  write("a.key", environment_.files["a.key"].text, true);
  const TlsReading reading = read();
  EXPECT_EQ(text_of(reading.errors), "");
  EXPECT_EQ(text_of(reading.warnings),
            "a.key: every user may read this private key; run `chmod 600 a.key`\n");
}

TEST_F(TlsFilesTest, a_key_in_the_file_of_its_certificate_stays_out_of_the_chain) {
  write("a.pem", environment_.files["a.key"].text + environment_.files["a.pem"].text);
  snapshot_.tls->certificates = {{"a.pem", "a.pem", ""}};
  const TlsReading reading = read();
  EXPECT_EQ(text_of(reading.errors), "");
  EXPECT_FALSE(reading.files.identities.at(0).chain_pem.contains("PRIVATE"));
  EXPECT_TRUE(reading.files.identities.at(0).key_pem.reveal().contains("PRIVATE"));
}

TEST_F(TlsFilesTest, an_ocsp_response_is_stapled_only_while_it_is_good) {
  const TestCertificate leaf = write_pair("a", {});
  snapshot_.tls->certificates[0].ocsp = "a.ocsp";
  write("a.ocsp", support::make_ocsp(leaf, authority_, {}));
  EXPECT_EQ(read().files.identities.at(0).ocsp_der, environment_.files["a.ocsp"].text);

  write("a.ocsp", support::make_ocsp(leaf, authority_, {.from_days = -9, .until_days = -2}));
  const TlsReading late = read();
  EXPECT_EQ(late.files.identities.at(0).ocsp_der, "");
  EXPECT_EQ(text_of(late.errors), "");
  EXPECT_TRUE(
      text_of(late.warnings).starts_with("a.ocsp: the OCSP response is out of date since "));

  write("a.ocsp", "nonsense");
  EXPECT_EQ(errors(),
            "a.ocsp: the file is no OCSP response in DER; write one with `openssl ocsp ... "
            "-respout FILE`\n");
}

TEST_F(TlsFilesTest, files_have_bounds) {
  write("a.pem", std::string((1u << 20) + 1, 'x'));
  EXPECT_TRUE(
      errors().starts_with("a.pem: tls.certificates[0].certificate cannot be read: larger"));
}

TEST_F(TlsFilesTest, a_configuration_whose_files_have_errors_is_not_loaded) {
  write("x.yaml",
        "listen: 127.0.0.1:0\ndevelopment: true\n"
        "tls: {certificates: [{certificate: a.pem, key: a.key}]}\n"
        "upstreams: [{name: u, url: 'http://127.0.0.1:1', private_addresses: true}]\n"
        "models: [{name: m, routes: [{upstream: u}]}]\n");
  const Loaded good = load_with_files("x.yaml", environment_, kNow);
  ASSERT_NE(good.config.snapshot, nullptr);
  EXPECT_EQ(good.tls.identities.size(), 1u);
  const size_t warnings = good.config.warnings.size();

  write_pair("a", {.until_days = 5});
  const Loaded near = load_with_files("x.yaml", environment_, kNow);
  EXPECT_NE(near.config.snapshot, nullptr);
  EXPECT_EQ(near.config.warnings.size(), warnings + 1);

  environment_.files.erase("a.pem");
  const Loaded bad = load_with_files("x.yaml", environment_, kNow);
  EXPECT_EQ(bad.config.snapshot, nullptr);
  EXPECT_TRUE(text_of(bad.config.errors).starts_with("a.pem: tls.certificates[0].certificate "));
  EXPECT_TRUE(bad.tls.identities.empty());
}

}  // namespace
}  // namespace sluice::control
