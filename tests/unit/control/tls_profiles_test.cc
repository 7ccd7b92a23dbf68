#include <sluice/control/tls_profiles.h>

#include <map>

#include <gtest/gtest.h>

#include "test_certificates.h"

namespace sluice::control {
namespace {

class ProfileFiles final : public config::Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string&) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::expected<config::FileText, std::string> read(const std::string& path,
                                                                  size_t) const override {
    const auto file = files.find(path);
    if (file == files.end()) return std::unexpected("No such file or directory");
    return config::FileText{file->second, false};
  }
  std::map<std::string, std::string> files;
};

class TlsProfilesTest : public ::testing::Test {
 protected:
  TlsProfilesTest() {
    files_.files["a.pem"] = leaf_.pem;
    files_.files["a.key"] = leaf_.key_pem;
  }
  LoadedWithTls load(const std::string& certificates, size_t shards = 1) {
    files_.files["s.yaml"] =
        "listen: 127.0.0.1:0\ndevelopment: true\n"
        "upstreams: [{name: u, url: http://127.0.0.1:1, private_addresses: true}]\n"
        "models: [{name: m, routes: [{upstream: u}]}]\ntls: {certificates: [" +
        certificates + "]}\n";
    return load_with_tls("s.yaml", files_, SystemClock().wall(), shards, system_);
  }

  support::TestCertificate authority_ = support::make_certificate({.common_name = "ca",
                                                                   .subject_alt_name = "",
                                                                   .is_authority = true,
                                                                   .now = SystemClock().wall()});
  support::TestCertificate leaf_ =
      support::make_certificate({.issuer = &authority_, .now = SystemClock().wall()});
  ProfileFiles files_;
  net::SystemAuthorities system_;
};

TEST_F(TlsProfilesTest, every_shard_gets_its_own) {
  const LoadedWithTls loaded = load("{certificate: a.pem, key: a.key}", 3);
  ASSERT_NE(loaded.config.snapshot, nullptr);
  ASSERT_EQ(loaded.tls.shards.size(), 3u);
  for (const upstream::ShardTls& shard : loaded.tls.shards) {
    EXPECT_NE(shard.server, nullptr);
    ASSERT_EQ(shard.clients.size(), 1u);
    EXPECT_EQ(shard.clients[0], nullptr);
  }
}

// Goal: what only the TLS library refuses is an error of the configuration like any other.
TEST_F(TlsProfilesTest, what_cannot_be_secured_is_an_error_of_the_file) {
  files_.files["a.ocsp"] = support::make_ocsp(leaf_, authority_, {.now = SystemClock().wall()});
  const LoadedWithTls loaded = load("{certificate: a.pem, key: a.key, ocsp: a.ocsp}");
  EXPECT_EQ(loaded.config.snapshot, nullptr);
  ASSERT_EQ(loaded.config.errors.size(), 1u);
  EXPECT_EQ(loaded.config.errors[0].file, "s.yaml");
  EXPECT_TRUE(loaded.config.errors[0].cause.contains("without the certificate's issuer"));
}

TEST(TicketRotation, keys_turn_after_each_period_and_the_first_becomes_the_second) {
  const MonoTime start = MonoTime{} + seconds(1);
  TicketRotation rotation(start);
  const net::TicketKeys first = rotation.keys();
  EXPECT_FALSE(rotation.advance(start + TicketRotation::kPeriod - milliseconds(1)));
  EXPECT_TRUE(rotation.advance(start + TicketRotation::kPeriod));
  EXPECT_EQ(rotation.keys().keys[1].name, first.keys[0].name);
  EXPECT_NE(rotation.keys().keys[0].name, first.keys[0].name);
  EXPECT_FALSE(rotation.advance(start + TicketRotation::kPeriod + seconds(1)));
}

}  // namespace
}  // namespace sluice::control
