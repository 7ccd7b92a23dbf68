#include "check.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "exit_status.h"
#include "test_certificates.h"

namespace sluice::app {
namespace {

config::LoadOutcome load(std::string_view text) {
  return config::load_text(text, "a.yaml", config::SystemEnvironment());
}

TEST(Check, every_problem_is_one_line) {
  const auto outcome = load("listen: 127.0.0.1:0\nnonsense: 1\nlog: {level: loud}\n");
  ASSERT_EQ(outcome.snapshot, nullptr);
  const std::string text = describe_problems(outcome);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'),
            static_cast<ptrdiff_t>(outcome.errors.size() + outcome.warnings.size()));
  EXPECT_TRUE(text.contains("a.yaml:2:"));
  EXPECT_TRUE(text.contains("a.yaml:3:"));
}

TEST(Check, d070_a_secret_at_a_wrong_place_is_not_shown) {
  const std::string text = describe_problems(load("listen: 127.0.0.1:0\nsk-0123456789abcdef: 1\n"));
  EXPECT_TRUE(text.contains("unknown key `[redacted]`")) << text;
}

TEST(Check, valid_file_is_summed_up_and_its_warnings_are_marked) {
  const auto outcome = load(
      "listen: 127.0.0.1:0\ndevelopment: true\n"
      "upstreams: [{name: u, url: 'http://127.0.0.1:1', private_addresses: true},\n"
      "            {name: v, url: 'http://127.0.0.1:2', private_addresses: true}]\n"
      "models: [{name: m, routes: [{upstream: u}, {upstream: v}]}]\n");
  ASSERT_NE(outcome.snapshot, nullptr);
  EXPECT_EQ(describe_valid(*outcome.snapshot), "a.yaml is valid: 2 upstreams, 1 model, 0 keys\n");
  EXPECT_TRUE(describe_problems(outcome).starts_with("warning: a.yaml:"));
}

// Goal: `sluice check` reads the certificates, too, and tells file and remedy.
class CheckFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/sluice_check_XXXXXX";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    write("sluice.yaml",
          "listen: 127.0.0.1:0\ndevelopment: true\n"
          "tls: {certificates: [{certificate: " +
              at("a.pem") + ", key: file://" + at("a.key") +
              "}]}\n"
              "upstreams: [{name: u, url: 'http://127.0.0.1:1', private_addresses: true}]\n"
              "models: [{name: m, routes: [{upstream: u}]}]\n");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string at(const std::string& name) const { return directory_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(at(name), std::ios::binary) << text;
    ASSERT_EQ(::chmod(at(name).c_str(), 0600), 0);
  }
  void write_pair(int64_t until_days) const {
    const auto made =
        support::make_certificate({.until_days = until_days, .now = SystemClock().wall()});
    write("a.pem", made.pem);
    write("a.key", made.key_pem);
  }
  std::string check(int expected) const {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    EXPECT_EQ(check_config(at("sluice.yaml")), expected);
    return testing::internal::GetCapturedStderr() + testing::internal::GetCapturedStdout();
  }
  std::string directory_;
};

TEST_F(CheckFiles, good_certificates_are_valid) {
  write_pair(50);
  EXPECT_TRUE(check(kExitOk).contains("sluice.yaml is valid: 1 upstream, 1 model, 0 keys\n"));
}

TEST_F(CheckFiles, certificates_that_end_soon_are_warned_of) {
  write_pair(5);
  const std::string text = check(kExitOk);
  EXPECT_TRUE(text.contains("warning: " + at("a.pem") + ": the certificate expires on "));
  EXPECT_TRUE(text.contains("in 4 days; renew it\n"));
}

TEST_F(CheckFiles, expired_and_missing_ones_are_errors_with_their_file) {
  write_pair(-1);
  EXPECT_TRUE(check(kExitConfig).contains(at("a.pem") + ": the certificate expired on "));
  std::filesystem::remove(at("a.key"));
  EXPECT_TRUE(check(kExitConfig)
                  .contains(at("a.key") +
                            ": tls.certificates[0].key cannot be read: No such file or directory; "
                            "create the file, or let this user read it\n"));
}

}  // namespace
}  // namespace sluice::app
