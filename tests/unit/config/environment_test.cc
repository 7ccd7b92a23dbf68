#include <sluice/config/environment.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace sluice::config {
namespace {

// A file of its own in the test's temporary directory, removed at the end.
class SystemFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string directory = testing::TempDir() + "/sluice_environment_XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    directory_ = directory;
    path_ = directory + "/secret";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void write(const std::string& text, mode_t mode) {
    std::ofstream(path_, std::ios::binary) << text;
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
  }
  std::string directory_;
  std::string path_;
};

TEST_F(SystemFile, is_read_whole_with_its_mode) {
  write(std::string(200'000, 'x') + "\n", 0600);
  auto file = SystemEnvironment().read(path_, 1 << 20);
  ASSERT_TRUE(file) << file.error();
  EXPECT_EQ(file->text.size(), 200'001u);
  EXPECT_FALSE(file->others_may_read);
  write("x", 0644);
  EXPECT_TRUE(SystemEnvironment().read(path_, 1 << 20)->others_may_read);
}

TEST_F(SystemFile, whose_size_is_not_told_is_read_whole) {
  struct stat status{};
  ASSERT_EQ(::stat("/proc/self/smaps", &status), 0);
  ASSERT_EQ(status.st_size, 0);
  const auto file = SystemEnvironment().read("/proc/self/smaps", 64 << 20);
  ASSERT_TRUE(file) << file.error();
  EXPECT_GT(file->text.size(), 8192u);
  EXPECT_EQ(file->text.find('\0'), std::string::npos);
  EXPECT_EQ(file->text.back(), '\n');
}

TEST_F(SystemFile, beyond_the_bound_or_absent_or_a_directory_is_refused_with_a_reason) {
  write("12345", 0600);
  EXPECT_EQ(SystemEnvironment().read(path_, 4).error(), "larger than 4B");
  EXPECT_TRUE(SystemEnvironment().read(path_, 5));
  EXPECT_EQ(SystemEnvironment().read(path_ + "x", 5).error(), "No such file or directory");
  EXPECT_EQ(SystemEnvironment().read(directory_, 5).error(), "Is a directory");
}

TEST(SystemVariable, tells_unset_from_empty) {
  ASSERT_EQ(::setenv("SLUICE_TEST_EMPTY", "", 1), 0);
  ASSERT_EQ(::unsetenv("SLUICE_TEST_UNSET"), 0);
  EXPECT_EQ(SystemEnvironment().variable("SLUICE_TEST_EMPTY"), "");
  EXPECT_EQ(SystemEnvironment().variable("SLUICE_TEST_UNSET"), std::nullopt);
}

}  // namespace
}  // namespace sluice::config
