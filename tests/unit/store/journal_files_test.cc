#include "journal_files.h"

#include <gtest/gtest.h>

#include "journal_folder.h"
#include "journal_frame.h"

namespace sluice::store {
namespace {

using Payloads = std::vector<std::string>;

std::string framed(const Payloads& payloads) {
  std::string frames;
  for (const std::string& payload : payloads) append_frame(frames, payload);
  return frames;
}

class JournalFilesTest : public ::testing::Test {
 protected:
  // Opens, reads, appends and closes, as one process does.
  Payloads run(const Payloads& appended = {}) {
    JournalFiles files(folder_.path(), disk_);
    Collected collected;
    notes_.clear();
    is_open_ = files.lock() && files.replay(collected, &notes_);
    problem_ = files.problem();
    size_t written = 0;
    if (is_open_ && !appended.empty()) {
      EXPECT_TRUE(files.write(framed(appended), &written));
      EXPECT_TRUE(files.sync());
    }
    return collected.payloads;
  }

  JournalFolder folder_;
  TightDisk disk_;
  std::vector<JournalNote> notes_;
  bool is_open_ = false;
  std::string problem_;
};

TEST_F(JournalFilesTest, what_one_process_wrote_the_next_reads) {
  EXPECT_EQ(run({"a", "b"}), Payloads{});
  EXPECT_EQ(run({"c"}), (Payloads{"a", "b"}));
  EXPECT_EQ(run(), (Payloads{"a", "b", "c"}));
  EXPECT_EQ(run(), (Payloads{"a", "b", "c"}));
  EXPECT_TRUE(notes_.empty());
}

TEST_F(JournalFilesTest, end_torn_at_any_byte_is_cut_and_appended_to) {
  run({"first", "second", "third"});
  const std::string whole = JournalFolder::read(folder_.segment(1));
  const size_t frame = kFrameHeadBytes + 5;
  for (size_t size = kSegmentHeadBytes; size < whole.size(); ++size) {
    JournalFolder::write(folder_.segment(1), whole.substr(0, size));
    Payloads expected;
    if (size >= kSegmentHeadBytes + frame) expected.emplace_back("first");
    if (size >= kSegmentHeadBytes + 2 * frame + 1) expected.emplace_back("second");
    const bool is_torn = size != kSegmentHeadBytes + framed(expected).size();
    EXPECT_EQ(run({"new"}), expected) << size;
    EXPECT_EQ(notes_.size(), is_torn ? 1u : 0u) << size;
    if (is_torn) EXPECT_TRUE(notes_[0].text.contains(" was torn at byte ")) << notes_[0].text;
    expected.emplace_back("new");
    EXPECT_EQ(run(), expected) << size;
    EXPECT_TRUE(notes_.empty());
  }
}

TEST_F(JournalFilesTest, damaged_byte_of_the_last_segment_ends_it_there) {
  run({"first", "second", "third"});
  const std::string whole = JournalFolder::read(folder_.segment(1));
  const size_t second = kSegmentHeadBytes + kFrameHeadBytes + 5;
  for (size_t at = second; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    JournalFolder::write(folder_.segment(1), damaged);
    const Payloads found = run();
    EXPECT_EQ(found[0], "first");
    EXPECT_LT(found.size(), 3u) << at;
    EXPECT_EQ(notes_.size(), 1u);
    EXPECT_EQ(run(), found) << at;
  }
}

TEST_F(JournalFilesTest, damage_in_an_older_segment_is_an_error_and_the_next_is_read) {
  run({"old", "lost"});
  const std::string old = JournalFolder::read(folder_.segment(1));
  JournalFolder::write(folder_.segment(2), old.substr(0, kSegmentHeadBytes) + framed({"next"}));
  JournalFolder::write(folder_.segment(1), old.substr(0, old.size() - 1));
  EXPECT_EQ(run({"more"}), (Payloads{"old", "next"}));
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_TRUE(notes_[0].is_error);
  JournalFolder::write(folder_.segment(1), "no head at all, but some text");
  EXPECT_EQ(run(), (Payloads{"next", "more"}));
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_TRUE(notes_[0].is_error);
}

TEST_F(JournalFilesTest, foreign_last_segment_is_refused_and_left_alone) {
  run({"a"});
  JournalFolder::write(folder_.segment(2), "a file of somebody else");
  run();
  EXPECT_FALSE(is_open_);
  EXPECT_TRUE(problem_.contains("move it elsewhere")) << problem_;
  EXPECT_EQ(JournalFolder::read(folder_.segment(2)), "a file of somebody else");
}

TEST_F(JournalFilesTest, second_owner_is_refused) {
  JournalFiles first(folder_.path(), disk_);
  ASSERT_TRUE(first.lock());
  JournalFiles second(folder_.path(), disk_);
  EXPECT_FALSE(second.lock());
  EXPECT_TRUE(second.problem().contains("another process")) << second.problem();
}

TEST_F(JournalFilesTest, missing_directory_is_made_and_a_hopeless_one_is_a_problem) {
  JournalFiles files(folder_.path() + "/new", disk_);
  EXPECT_TRUE(files.lock());
  JournalFiles hopeless(folder_.path() + "/a/b", disk_);
  EXPECT_FALSE(hopeless.lock());
  EXPECT_TRUE(hopeless.problem().contains(folder_.path() + "/a/b")) << hopeless.problem();
}

TEST_F(JournalFilesTest, rotation_leaves_the_new_segment_alone) {
  run({"a", "b"});
  {
    JournalFiles files(folder_.path(), disk_);
    Collected collected;
    ASSERT_TRUE(files.lock() && files.replay(collected, &notes_));
    EXPECT_TRUE(files.rotate(framed({"sum"})));
    size_t written = 0;
    EXPECT_TRUE(files.write(framed({"c"}), &written));
  }
  EXPECT_EQ(folder_.names(), (Payloads{"lock", "spend-2.journal"}));
  EXPECT_EQ(run(), (Payloads{"sum", "c"}));
}

TEST_F(JournalFilesTest, rotation_on_a_full_disk_leaves_the_old_segment_in_use) {
  run({"a"});
  {
    JournalFiles files(folder_.path(), disk_);
    Collected collected;
    ASSERT_TRUE(files.lock() && files.replay(collected, &notes_));
    for (const size_t room : {0, 5, 16, 20}) {
      disk_.room = room;
      EXPECT_FALSE(files.rotate(framed({"sum"})));
    }
    disk_.room = 1000;
    disk_.fails_sync = true;
    EXPECT_FALSE(files.rotate(framed({"sum"})));
    disk_.fails_sync = false;
    size_t written = 0;
    EXPECT_TRUE(files.write(framed({"b"}), &written));
  }
  EXPECT_EQ(folder_.names(), (Payloads{"lock", "spend-1.journal"}));
  EXPECT_EQ(run(), (Payloads{"a", "b"}));
}

}  // namespace
}  // namespace sluice::store
