#include <sluice/control/certificate_watch.h>

#include <utility>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

constexpr int64_t kDay = 86'400'000'000;

class Lines final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view, std::string_view message) override {
    text += std::string(to_string(level)) + " " + std::string(message) + "\n";
  }
  // What came since the last call.
  std::string take() { return std::exchange(text, {}); }
  std::string text;
};

class CertificateWatchTest : public ::testing::Test {
 protected:
  static constexpr WallTime kEnd{1'750'000'000'000'000};
  static WallTime before(int64_t us) { return {kEnd.unix_us - us}; }
  std::string look(WallTime now) {
    watch_.look(now);
    return lines_.take();
  }
  Lines lines_;
  CertificateWatch watch_{lines_};
};

TEST_F(CertificateWatchTest, warns_once_at_fourteen_days_once_at_three_and_once_at_the_end) {
  watch_.replace({{"a.pem", kEnd}}, before(40 * kDay));
  EXPECT_EQ(look(before(14 * kDay)), "");
  EXPECT_EQ(look(before(14 * kDay - 1)),
            "warn a.pem: the certificate expires on 2025-06-15, in less than 14 days; renew it and "
            "reload\n");
  EXPECT_EQ(look(before(14 * kDay - 2)), "");
  EXPECT_EQ(look(before(3 * kDay)), "");
  EXPECT_EQ(look(before(3 * kDay - 1)),
            "warn a.pem: the certificate expires on 2025-06-15, in less than 3 days; renew it and "
            "reload\n");
  EXPECT_EQ(look(kEnd), "");
  EXPECT_EQ(look(before(-1)),
            "error a.pem: the certificate expired on 2025-06-15; renew it and reload\n");
  EXPECT_EQ(look(before(-kDay)), "");
}

TEST_F(CertificateWatchTest, what_was_said_when_it_was_loaded_is_not_said_again) {
  watch_.replace({{"a.pem", kEnd}}, before(5 * kDay));
  EXPECT_EQ(look(before(4 * kDay)), "");
  EXPECT_TRUE(look(before(3 * kDay - 1)).contains("in less than 3 days"));
}

TEST_F(CertificateWatchTest, a_renewed_certificate_is_watched_anew) {
  watch_.replace({{"a.pem", kEnd}}, before(20 * kDay));
  EXPECT_NE(look(before(10 * kDay)), "");
  const WallTime later{kEnd.unix_us + 90 * kDay};
  watch_.replace({{"a.pem", later}}, before(10 * kDay));
  EXPECT_EQ(look(kEnd), "");
  EXPECT_NE(look({later.unix_us - 10 * kDay}), "");
}

TEST_F(CertificateWatchTest, samples_are_whole_days_by_file) {
  watch_.replace({{"a.pem", kEnd}, {"b.pem", {kEnd.unix_us + 7 * kDay}}}, before(0));
  const auto samples = watch_.samples({kEnd.unix_us + 1});
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].file, "a.pem");
  EXPECT_EQ(samples[0].days_left, -1);
  EXPECT_EQ(samples[1].file, "b.pem");
  EXPECT_EQ(samples[1].days_left, 6);
}

}  // namespace
}  // namespace sluice::control
