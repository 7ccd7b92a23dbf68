#include <sluice/control/spend_journal.h>

#include <sluice/store/file_lock.h>

#include "spend_journal_fixture.h"

namespace sluice::control {
namespace {

using config::LimitWindow;

TEST_F(SpendJournalTest, spend_survives_a_kill) {
  start();
  opened(1, 100);
  settled(1, 7);
  tick();
  EXPECT_EQ(total().micro_dollars, 7u);
  opened(2, 100);  // Dies in the ring with its process.
  start();
  EXPECT_EQ(total().micro_dollars, 7u);
  EXPECT_EQ(total().requests, 1u);
  EXPECT_TRUE(log_.problems.empty());
}

TEST_F(SpendJournalTest, d097_exchange_without_an_end_is_booked_once_at_what_was_set_aside) {
  start();
  opened(1, 100);
  opened(2, 1000);
  settled(1, 7);
  tick();
  for (int run = 0; run < 3; ++run) {
    start();
    EXPECT_EQ(total().micro_dollars, 1007u) << run;
    EXPECT_EQ(total().requests, 2u);
    EXPECT_EQ(total().unknown, 1u);
    tick();
    EXPECT_EQ(log_.problems.size(), 1u);  // Of the first of these starts.
  }
}

TEST_F(SpendJournalTest, d097_ends_that_a_kill_kept_from_the_file_are_booked_again_but_once) {
  start();
  opened(1, 100);
  tick();
  start();  // Killed before its first tick.
  start();
  EXPECT_EQ(total().micro_dollars, 100u);
  opened(1, 20);  // The number comes again in each process.
  settled(1, 3);
  tick();
  start();
  EXPECT_EQ(total().micro_dollars, 103u);
  EXPECT_EQ(total().requests, 2u);
}

TEST_F(SpendJournalTest, summary_takes_the_place_of_older_segments) {
  start(200);
  opened(1, 1000);  // Ends long after its segment is gone.
  for (uint64_t number = 2; number < 40; ++number) {
    opened(number, 9);
    settled(number, 1);
    tick();
  }
  EXPECT_EQ(folder_.names().size(), 2u);  // The lock and one segment.
  EXPECT_NE(folder_.names()[1], "spend-1.journal");
  EXPECT_EQ(total().micro_dollars, 38u);
  start(200);
  EXPECT_EQ(total().micro_dollars, 1038u);
  EXPECT_EQ(total().requests, 39u);
  tick();
  start(200);
  EXPECT_EQ(total().micro_dollars, 1038u);
}

TEST_F(SpendJournalTest, journal_torn_at_any_byte_counts_each_exchange_once) {
  start();
  opened(1, 100);
  settled(1, 1);
  opened(2, 100);
  settled(2, 1);
  tick();
  journal_.reset();
  const std::string whole = store::JournalFolder::read(folder_.segment(1));
  for (size_t size = 16; size <= whole.size(); size += 3) {
    store::JournalFolder::write(folder_.segment(1), whole.substr(0, size));
    start();
    const SpendSums first = total();
    EXPECT_LE(first.requests, 2u);
    EXPECT_EQ(first.micro_dollars, first.requests - first.unknown + 100 * first.unknown);
    tick();
    start();
    EXPECT_EQ(total(), first) << size;
    journal_.reset();
  }
}

TEST_F(SpendJournalTest, full_disk_is_told_once_and_nothing_is_lost) {
  start();
  disk_.room = 10;
  settled(1, 7);
  tick();
  settled(2, 7);
  for (int i = 0; i < 30; ++i) tick();
  EXPECT_EQ(log_.problems.size(), 1u);
  EXPECT_GT(registry_.control().journal_errors.value(), 1u);
  EXPECT_GT(registry_.control().journal_lag_us.value(), 500'000);
  disk_.room = 1u << 20;
  for (int i = 0; i < 30; ++i) tick();
  EXPECT_EQ(log_.infos.size(), 1u);
  EXPECT_EQ(registry_.control().journal_lag_us.value(), 0);
  start();
  EXPECT_EQ(total().micro_dollars, 14u);
}

TEST_F(SpendJournalTest, finish_takes_what_stands_in_the_rings) {
  start();
  opened(1, 100);
  settled(1, 7);
  EXPECT_TRUE(journal_->has_records());
  EXPECT_TRUE(journal_->finish());
  EXPECT_EQ(registry_.control().journal_records[metrics::JournalRecord::kOpened].value(), 1u);
  EXPECT_EQ(registry_.control().journal_records[metrics::JournalRecord::kSettled].value(), 1u);
  start();
  EXPECT_EQ(total().micro_dollars, 7u);
}

TEST_F(SpendJournalTest, finish_on_a_full_disk_says_so) {
  start();
  disk_.room = 0;
  settled(1, 7);
  EXPECT_FALSE(journal_->finish());
  EXPECT_FALSE(journal_->is_hanging());
  EXPECT_FALSE(log_.problems.empty());
}

TEST_F(SpendJournalTest,
       what_the_journal_has_and_the_usage_log_has_not_is_there_once_after_a_kill) {
  has_usage_ = true;
  start();
  opened(1, 100);
  settled(1, 7);
  tick();
  write_usage();
  EXPECT_EQ(costs(), (std::vector<uint64_t>{7}));
  opened(2, 100);
  settled(2, 8);
  opened(3, 1'000);
  tick();  // In the journal; the usage log waits for its batch.
  for (int run = 0; run < 3; ++run) {
    start();
    EXPECT_EQ(costs(), (std::vector<uint64_t>{7, 8, 1'000})) << run;
    tick();
  }
  opened(1, 100);  // The number of another run.
  settled(1, 9);
  tick();
  write_usage();
  EXPECT_EQ(costs(), (std::vector<uint64_t>{7, 8, 9, 1'000}));
}

TEST_F(SpendJournalTest, the_usage_log_has_nothing_that_a_kill_keeps_from_the_journal) {
  has_usage_ = true;
  start();
  opened(1, 100);
  settled(1, 7);
  tick();
  opened(2, 100);
  settled(2, 8);
  journal_->collect(clock_.now());  // So soon after a write that it waits.
  EXPECT_FALSE(journal_->is_busy());
  write_usage();
  EXPECT_EQ(costs(), (std::vector<uint64_t>{7}));
  start();
  EXPECT_EQ(costs(), (std::vector<uint64_t>{7}));
  EXPECT_EQ(total().requests, 1u);
  EXPECT_EQ(total().micro_dollars, 7u);
}

TEST_F(SpendJournalTest, a_disk_that_refuses_the_journal_does_not_hold_up_the_usage_log) {
  has_usage_ = true;
  start();
  disk_.room = 10;
  settled(1, 7);
  for (int i = 0; i < 3; ++i) tick();
  write_usage();
  EXPECT_EQ(costs(), (std::vector<uint64_t>{7}));
}

TEST_F(SpendJournalTest, what_the_usage_log_has_not_got_stays_when_older_segments_go) {
  has_usage_ = true;
  start(400);
  auto other = store::SqliteDb::open(usage_folder_.file(), {.is_exclusive = false});
  ASSERT_TRUE(other);
  {
    auto transaction = (*other)->begin();  // The file takes nothing.
    ASSERT_TRUE(transaction);
    for (uint64_t number = 1; number < 30; ++number) {
      opened(number, 1'000);
      settled(number, number);
      tick();
    }
    write_usage();
    EXPECT_EQ(costs().size(), 0u);
    EXPECT_NE(folder_.names()[1], "spend-1.journal");
  }
  start(400);
  EXPECT_EQ(costs().size(), 29u);
  EXPECT_EQ(costs().back(), 29u);
  EXPECT_EQ(total().requests, 29u);
  EXPECT_EQ(total().micro_dollars, 29u * 15);
}

TEST_F(SpendJournalTest, usage_log_that_fails_while_the_journal_is_read_refuses_the_start) {
  start();
  settled(1, 7);
  tick();
  journal_.reset();
  start_usage();
  auto other = store::SqliteDb::open(usage_folder_.file(), {.is_exclusive = false});
  ASSERT_TRUE(other);
  auto transaction = (*other)->begin();
  ASSERT_TRUE(transaction);
  const auto refused = open(1u << 20);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().contains("locked by another program")) << refused.error();
}

TEST_F(SpendJournalTest, second_process_is_refused) {
  start();
  const auto second = open(1u << 20);
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().contains("another process")) << second.error();
}

TEST_F(SpendJournalTest, full_ring_loses_and_counts) {
  start();
  for (uint64_t number = 0; number < 16; ++number) settled(number, 1);
  EXPECT_FALSE(ring_->push(usage::SpendRecord{}));
  EXPECT_EQ(lost_.value(), 1u);
}

}  // namespace
}  // namespace sluice::control
