#include "file_replace.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

namespace fs = std::filesystem;

class FileReplaceTest : public ::testing::Test {
 protected:
  FileReplaceTest() { fs::create_directories(root_); }
  ~FileReplaceTest() override { fs::remove_all(root_); }
  static std::string text_of(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(root_), fs::directory_iterator()));
  }

  fs::path root_ = fs::temp_directory_path() / ("sluice-replace-" + std::to_string(::getpid()));
};

TEST_F(FileReplaceTest, another_file_with_the_same_mode_takes_its_place) {
  std::ofstream(root_ / "a") << "old";
  ASSERT_EQ(::chmod((root_ / "a").c_str(), 0640), 0);
  struct stat before{};
  ASSERT_EQ(::stat((root_ / "a").c_str(), &before), 0);
  ASSERT_TRUE(replace_file(root_ / "a", "new text"));
  struct stat after{};
  ASSERT_EQ(::stat((root_ / "a").c_str(), &after), 0);
  EXPECT_EQ(text_of(root_ / "a"), "new text");
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_uid, before.st_uid);
  EXPECT_EQ(after.st_gid, before.st_gid);
  EXPECT_NE(after.st_ino, before.st_ino);
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileReplaceTest, a_link_stays_and_what_it_leads_to_is_replaced) {
  std::ofstream(root_ / "a") << "old";
  fs::create_symlink("a", root_ / "link");
  ASSERT_TRUE(replace_file(root_ / "link", "new"));
  EXPECT_TRUE(fs::is_symlink(root_ / "link"));
  EXPECT_EQ(text_of(root_ / "a"), "new");
}

TEST_F(FileReplaceTest, what_is_not_there_is_not_made) {
  const auto replaced = replace_file(root_ / "none", "x");
  ASSERT_FALSE(replaced);
  EXPECT_TRUE(replaced.error().contains("none cannot be written: No such file or directory"));
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace sluice::control
