#include <sluice/control/file_watch.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

constexpr WallTime kLate{.unix_us = 1'000'000'000'000};

FileMark mark(int64_t bytes, uint64_t inode = 1) {
  return {.is_there = true, .inode = inode, .bytes = bytes};
}

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() { watch_.follow({"/a"}, MonoTime{}); }
  void look(const FileMark& found, WallTime wall = kLate) {
    watch_.take({"/a"}, {found}, MonoTime{}, wall);
  }
  bool has_changed() { return watch_.changed() == "/a"; }

  FileWatch watch_;
};

TEST_F(FileWatchTest, what_stays_the_same_has_not_changed) {
  look(mark(1));
  look(mark(1));
  EXPECT_FALSE(has_changed());
}

TEST_F(FileWatchTest, a_change_counts_once_it_rests) {
  look(mark(1));
  look(mark(2));
  EXPECT_FALSE(has_changed()) << "it may be in the middle of being written";
  look(mark(3));
  EXPECT_FALSE(has_changed());
  look(mark(3));
  EXPECT_TRUE(has_changed());
  watch_.settle();
  EXPECT_FALSE(has_changed());
  look(mark(3));
  EXPECT_FALSE(has_changed());
}

TEST_F(FileWatchTest, a_change_that_could_not_be_dealt_with_is_found_again) {
  look(mark(1));
  look(mark(2));
  look(mark(2));
  ASSERT_TRUE(has_changed());
  watch_.settle();
  watch_.put_off("/a");
  watch_.put_off("/unknown");
  EXPECT_FALSE(has_changed());
  look(mark(2));
  EXPECT_TRUE(has_changed());
  watch_.settle();
  look(mark(2));
  EXPECT_FALSE(has_changed());
}

TEST_F(FileWatchTest, a_file_that_is_away_for_a_moment_is_waited_for) {
  look(mark(1));
  look(FileMark{});
  look(FileMark{});
  EXPECT_FALSE(has_changed());
  look(mark(1, 2));
  look(mark(1, 2));
  EXPECT_TRUE(has_changed()) << "another file of the same size";
}

TEST_F(FileWatchTest, what_was_changed_just_before_the_first_look_counts) {
  FileMark fresh = mark(1);
  fresh.changed_ns = kLate.unix_us * 1000 - 1;
  look(fresh);
  look(fresh);
  EXPECT_TRUE(has_changed());
}

TEST_F(FileWatchTest, following_keeps_what_is_known_and_forgets_the_rest) {
  look(mark(1));
  watch_.follow({"/a", "/b"}, MonoTime{});
  look(mark(2));
  look(mark(2));
  EXPECT_TRUE(has_changed());
  watch_.follow({"/b"}, MonoTime{});
  EXPECT_FALSE(has_changed());
  EXPECT_EQ(watch_.paths(), std::vector<std::string>{"/b"});
  watch_.follow({}, MonoTime{});
  EXPECT_FALSE(watch_.is_due(MonoTime{} + seconds(9)));
}

TEST_F(FileWatchTest, is_due_after_each_pause) {
  EXPECT_FALSE(watch_.is_due(MonoTime{}));
  EXPECT_TRUE(watch_.is_due(MonoTime{} + FileWatch::kLookGap));
  watch_.take({"/a"}, {mark(1)}, MonoTime{} + FileWatch::kLookGap, kLate);
  EXPECT_FALSE(watch_.is_due(MonoTime{} + FileWatch::kLookGap));
}

// As Kubernetes changes a ConfigMap: the path is a link over a link to a folder.
TEST(FileMark, a_link_that_is_swapped_leads_to_another_mark) {
  namespace fs = std::filesystem;
  const fs::path root = fs::temp_directory_path() / ("sluice-mark-" + std::to_string(::getpid()));
  fs::create_directories(root / "one");
  fs::create_directories(root / "two");
  std::ofstream(root / "one/file") << "text";
  std::ofstream(root / "two/file") << "text";
  fs::create_directory_symlink("one", root / "now");
  fs::create_symlink("now/file", root / "file");
  const FileMark before = mark_of(root / "file");
  EXPECT_TRUE(before.is_there);
  fs::create_directory_symlink("two", root / "next");
  fs::rename(root / "next", root / "now");
  EXPECT_NE(mark_of(root / "file"), before);
  EXPECT_FALSE(mark_of(root / "none").is_there);
  fs::remove_all(root);
}

}  // namespace
}  // namespace sluice::control
