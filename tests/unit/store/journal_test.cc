#include <sluice/store/journal.h>

#include <gtest/gtest.h>

#include "journal_folder.h"
#include "journal_frame.h"
#include "lane_world.h"
#include "sim_clock.h"

namespace sluice::store {
namespace {

using Payloads = std::vector<std::string>;

class JournalTest : public ::testing::Test {
 protected:
  void open(uint64_t segment_bytes = 1u << 20) {
    journal_.reset();
    collected_.payloads.clear();
    auto opened = Journal::open({.directory = folder_.path(),
                                 .flush = milliseconds(40),
                                 .sync = seconds(1),
                                 .segment_bytes = segment_bytes},
                                world_.returns, disk_, collected_, &notes_);
    ASSERT_TRUE(opened) << opened.error();
    journal_ = std::move(*opened);
  }
  void append(std::string_view payload) { ASSERT_TRUE(journal_->append(payload, now())); }
  void advance(Duration by = Duration::zero()) {
    clock_.advance(by);
    journal_->advance(now());
    world_.settle(*journal_);
  }
  MonoTime now() { return clock_.now(); }
  // What another process would find.
  Payloads in_file(int segment = 1) {
    const std::string bytes = JournalFolder::read(folder_.segment(segment));
    FrameReader reader(std::string_view(bytes).substr(kSegmentHeadBytes));
    Payloads payloads;
    std::string_view payload;
    while (reader.next(&payload) == FrameReader::Found::kFrame) payloads.emplace_back(payload);
    return payloads;
  }

  JournalFolder folder_;
  TightDisk disk_;
  LaneWorld world_;
  support::SimClock clock_;
  Collected collected_;
  std::vector<JournalNote> notes_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(JournalTest, appended_payloads_stand_in_the_file_within_the_bound) {
  open();
  append("a");
  EXPECT_EQ(journal_->lag(now()), Duration::zero());
  advance();
  EXPECT_EQ(in_file(), Payloads{"a"});
  append("b");  // Right after a write: the tick after next at the latest.
  advance();
  EXPECT_EQ(in_file(), Payloads{"a"});
  clock_.advance(milliseconds(9));
  EXPECT_EQ(journal_->lag(now()), milliseconds(9));
  advance(milliseconds(11));
  EXPECT_EQ(in_file(), (Payloads{"a", "b"}));
  EXPECT_EQ(journal_->lag(now()), Duration::zero());
}

TEST_F(JournalTest, one_write_takes_all_that_waits) {
  open();
  const int before = disk_.writes;
  for (int i = 0; i < 100; ++i) append("payload");
  advance();
  EXPECT_EQ(disk_.writes, before + 1);
  EXPECT_EQ(in_file().size(), 100u);
}

TEST_F(JournalTest, file_is_synced_half_a_bound_after_its_first_write) {
  open();
  const int before = disk_.syncs;
  append("a");
  advance();
  advance(milliseconds(499));
  EXPECT_EQ(disk_.syncs, before);
  advance(milliseconds(1));
  EXPECT_EQ(disk_.syncs, before + 1);
  advance(seconds(5));
  EXPECT_EQ(disk_.syncs, before + 1);
}

TEST_F(JournalTest, full_disk_keeps_order_counts_and_goes_on_at_its_byte) {
  open();
  disk_.room = 5;
  append("first");
  advance();
  EXPECT_EQ(journal_->take_errors(), 1u);
  JournalNote note = journal_->take_note();
  EXPECT_TRUE(note.is_error);
  EXPECT_TRUE(note.text.contains(folder_.segment(1))) << note.text;
  append("second");
  disk_.room = 2;
  advance(Journal::kRetryGap);
  EXPECT_EQ(journal_->take_errors(), 1u);
  EXPECT_EQ(journal_->take_note().text, "");  // Once is enough.
  EXPECT_EQ(journal_->lag(now()), Journal::kRetryGap);
  disk_.room = 1u << 20;
  advance(Journal::kRetryGap);
  advance(milliseconds(40));
  EXPECT_EQ(in_file(), (Payloads{"first", "second"}));
  note = journal_->take_note();
  EXPECT_FALSE(note.is_error);
  EXPECT_EQ(note.text, "the journal is written again");
  EXPECT_EQ(journal_->take_errors(), 0u);
}

TEST_F(JournalTest, what_waits_for_the_disk_is_bounded) {
  open();
  disk_.room = 0;
  const std::string payload(kPayloadBytesMax, 'x');
  size_t taken = 0;
  while (journal_->append(payload, now())) ++taken;
  EXPECT_EQ(taken, Journal::kWaitingBytesMost / (kPayloadBytesMax + kFrameHeadBytes));
  advance();
  EXPECT_FALSE(journal_->append(payload, now()));
}

TEST_F(JournalTest, failed_sync_is_tried_again) {
  open();
  append("a");
  advance();
  disk_.fails_sync = true;
  advance(seconds(1));
  EXPECT_EQ(journal_->take_errors(), 1u);
  EXPECT_TRUE(journal_->take_note().is_error);
  disk_.fails_sync = false;
  advance(seconds(1));
  EXPECT_EQ(journal_->take_errors(), 0u);
  EXPECT_EQ(journal_->take_note().text, "the journal is written again");
}

TEST_F(JournalTest, rotation_writes_what_waits_to_the_old_segment) {
  open(100);
  append(std::string(200, 'a'));
  advance();
  ASSERT_TRUE(journal_->is_full());
  append("summed up too");
  journal_->rotate({"sum"});
  world_.settle(*journal_);
  EXPECT_FALSE(journal_->is_full());
  EXPECT_EQ(folder_.names(), (Payloads{"lock", "spend-2.journal"}));
  append("new");
  advance(milliseconds(40));
  EXPECT_EQ(in_file(2), (Payloads{"sum", "new"}));
  open();
  EXPECT_EQ(collected_.payloads, (Payloads{"sum", "new"}));
}

TEST_F(JournalTest, rotation_that_fails_is_put_off) {
  open(100);
  append(std::string(200, 'a'));
  advance();
  disk_.room = 3;
  journal_->rotate({"sum"});
  world_.settle(*journal_);
  EXPECT_TRUE(journal_->take_note().is_error);
  disk_.room = 1u << 20;
  advance();
  EXPECT_FALSE(journal_->is_full());
  append("more");
  advance(Journal::kRotateRetryGap);
  EXPECT_TRUE(journal_->is_full());
  EXPECT_EQ(in_file().back(), "more");
}

TEST_F(JournalTest, finish_writes_and_syncs_the_rest) {
  open();
  append("a");
  advance();
  append("b");
  const int syncs = disk_.syncs;
  EXPECT_TRUE(journal_->finish(clock_, seconds(1)));
  EXPECT_EQ(in_file(), (Payloads{"a", "b"}));
  EXPECT_EQ(disk_.syncs, syncs + 1);
}

TEST_F(JournalTest, finish_on_a_full_disk_gives_up) {
  open();
  append("a");
  disk_.room = 0;
  EXPECT_FALSE(journal_->finish(clock_, seconds(1)));
  EXPECT_FALSE(journal_->is_busy());
  EXPECT_TRUE(journal_->take_note().is_error);
}

}  // namespace
}  // namespace sluice::store
