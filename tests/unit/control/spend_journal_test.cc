#include <sluice/control/spend_journal.h>

#include <fcntl.h>

#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <map>
#include <optional>

#include <sluice/metrics/registry.h>
#include <sluice/store/file_lock.h>

#include "../store/journal_folder.h"
#include "../store/lane_world.h"
#include "../store/sqlite_folder.h"
#include "sim_clock.h"
#include "usage_file.h"

namespace sluice::control {
namespace {

using config::LimitWindow;
using namespace std::string_view_literals;

class Lines final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view, std::string_view message) override {
    (level == LogLevel::kInfo ? infos : problems).emplace_back(message);
  }
  std::vector<std::string> infos;
  std::vector<std::string> problems;
};

class SpendJournalTest : public ::testing::Test {
 protected:
  // A process begins; what the one before had not written is lost, as after kill -9.
  void start(uint64_t segment_bytes = 1u << 20) {
    journal_.reset();
    if (has_usage_) start_usage();
    ring_.emplace(16, lost_);
    auto opened = open(segment_bytes);
    ASSERT_TRUE(opened) << opened.error();
    journal_ = std::move(*opened);
  }
  std::expected<std::unique_ptr<SpendJournal>, std::string> open(uint64_t segment_bytes) {
    return SpendJournal::open(
        {.settings = {.directory = folder_.path(), .segment_bytes = segment_bytes},
         .rings = {&*ring_},
         .returns = world_.returns,
         .calls = disk_,
         .clock = clock_,
         .cells = registry_.control(),
         .log = log_,
         .usage = usage_.get()});
  }
  void start_usage() {
    usage_.reset();
    auto opened = UsageLog::open({.settings = {.path = usage_folder_.file()},
                                  .ring = world_.ring,
                                  .returns = world_.returns,
                                  .resolver = names_,
                                  .clock = clock_,
                                  .cells = registry_.control(),
                                  .log = log_});
    ASSERT_TRUE(opened) << opened.error();
    usage_ = std::move(*opened);
  }
  // What the usage log's file has, as costs in order of their ids.
  std::vector<uint64_t> costs() {
    auto reader = UsageReader::open(usage_folder_.file());
    EXPECT_TRUE(reader);
    const auto page = (*reader)->page({.most = 1'000}, clock_, Deadline::never());
    EXPECT_TRUE(page);
    std::map<std::string, uint64_t> by_id;
    for (const UsageRow& row : page->rows) {
      EXPECT_TRUE(by_id.emplace(row.id, row.micro_dollars.value_or(0)).second) << row.id;
    }
    std::vector<uint64_t> costs;
    for (const auto& [id, cost] : by_id) costs.push_back(cost);
    std::ranges::sort(costs);
    return costs;
  }
  void write_usage() {
    clock_.advance(UsageLog::kRetryGap);
    usage_->advance(clock_.now());
    while (usage_->is_busy()) {
      world_.returns.run();
      std::this_thread::yield();
    }
  }
  void push(usage::SpendKind kind, uint64_t number, std::optional<uint64_t> cost,
            usage::SpendSource source = usage::SpendSource::kReported) {
    usage::SpendRecord record;
    record.exchange = usage::SpendRecord::make_exchange(1, number);
    record.at = clock_.wall();
    record.kind = kind;
    record.source = source;
    record.key = "app";
    record.tenant = "acme";
    record.model = "small";
    record.cost_micro_dollars = cost;
    ASSERT_TRUE((into_ != nullptr ? *into_ : *ring_).push(record));
  }
  void opened(uint64_t number, uint64_t reserved) {
    push(usage::SpendKind::kOpened, number, reserved);
  }
  void settled(uint64_t number, uint64_t cost) { push(usage::SpendKind::kSettled, number, cost); }
  // One tick, and what it gave to the lanes.
  void tick() {
    clock_.advance(journal_->tick_max());
    journal_->collect(clock_.now());
    while (journal_->is_busy()) {
      world_.returns.run();
      std::this_thread::yield();
    }
  }
  SpendSums total() {
    return journal_->book().sums(SpendSubject::kKey, "app", LimitWindow::kTotal, clock_.wall());
  }

  class NoNames final : public net::Resolver {
   public:
    Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string,
                                                                     uint16_t) override {
      co_return std::unexpected("no names here");
    }
    Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
        std::string) override {
      co_return std::vector<net::ServiceRecord>{};
    }
    Task<void> end() override { co_return; }
  };

  store::JournalFolder folder_;
  store::SqliteFolder usage_folder_;
  NoNames names_;
  bool has_usage_ = false;
  store::TightDisk disk_;
  store::LaneWorld world_;
  support::SimClock clock_;
  metrics::Registry registry_{1};
  metrics::Counter lost_;
  Lines log_;
  std::optional<SpendRing> ring_;
  SpendRing* into_ = nullptr;  // Another process's.
  std::unique_ptr<UsageLog> usage_;
  std::unique_ptr<SpendJournal> journal_;
};

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

// --- upgrades ----------------------------------------------------------------------------------

// Passes batches on to the successor's journal, or does what a test says.
class Heir final : public SpendHeir {
 public:
  Fate take(std::string_view batch) override {
    if (fate == Fate::kTaken) batches.emplace_back(batch);
    return fate;
  }
  Fate fate = Fate::kTaken;
  std::vector<std::string> batches;
};

// `journal_` is the predecessor's; both have the folder.
class SpendUpgradeTest : public SpendJournalTest {
 protected:
  void stop_writing() {
    journal_->hold(clock_.now());
    while (!journal_->is_settled()) tick();
  }
  // From the reading of the files to the first word of the successor, if nothing comes between.
  void succeed() {
    journal_->freeze();
    ASSERT_TRUE(journal_->is_frozen());
    open_successor();
    hand_over();
  }
  void hand_over() {
    stop_writing();
    ASSERT_TRUE(next_->take_over());
    journal_->hand_over(heir_);
  }
  void open_successor() {
    store::inherit_locks({::fcntl(store::held_locks().front().fd, F_DUPFD_CLOEXEC, 3)});
    next_ring_.emplace(16, lost_);
    auto opened = SpendJournal::open(
        {.settings = {.directory = folder_.path(), .segment_bytes = next_segment_bytes_},
         .rings = {&*next_ring_},
         .returns = world_.returns,
         .calls = disk_,
         .clock = clock_,
         .cells = registry_.control(),
         .log = log_,
         .has_predecessor = true});
    ASSERT_TRUE(opened) << opened.error();
    next_ = std::move(*opened);
  }
  void tick_next() {
    next_->collect(clock_.now());
    while (next_->is_busy()) {
      world_.returns.run();
      std::this_thread::yield();
    }
  }
  void deliver() {
    for (const std::string& batch : std::exchange(heir_.batches, {})) {
      EXPECT_TRUE(next_->take_batch(batch, clock_.now()));
    }
  }
  // What a process finds that starts when both are gone.
  uint64_t found_later() {
    EXPECT_TRUE(journal_->finish());
    if (next_ != nullptr) {
      EXPECT_TRUE(next_->finish());
    }
    next_.reset();
    start();
    return total().micro_dollars;
  }
  static uint64_t total_of(SpendJournal& journal, WallTime now) {
    return journal.book().sums(SpendSubject::kKey, "app", LimitWindow::kTotal, now).micro_dollars;
  }

  // Of the runs before, in one folder.
  uint64_t total_before() const { return base_; }
  void remember(const SpendSums& sums) {
    base_ = sums.micro_dollars;
    base_requests_ = sums.requests;
  }

  uint64_t base_ = 0;
  uint64_t base_requests_ = 0;
  uint64_t next_segment_bytes_ = 1u << 20;
  Heir heir_;
  std::optional<SpendRing> next_ring_;
  std::unique_ptr<SpendJournal> next_;
};

TEST_F(SpendUpgradeTest, what_runs_on_is_booked_once_by_the_successor) {
  start();
  opened(1, 100);
  settled(1, 7);
  opened(2, 100);
  tick();
  journal_->freeze();
  open_successor();
  EXPECT_EQ(total_of(*next_, clock_.wall()), 7u);
  settled(2, 9);  // Between the reading of the files and the hand-over.
  opened(3, 100);
  tick();
  hand_over();
  EXPECT_EQ(total_of(*next_, clock_.wall()), 16u);
  settled(3, 11);
  tick();
  deliver();
  EXPECT_EQ(total_of(*next_, clock_.wall()), 27u);
  next_->predecessor_ended(clock_.now());
  EXPECT_EQ(total_of(*next_, clock_.wall()), 27u);
  EXPECT_EQ(found_later(), 27u);
}

TEST_F(SpendUpgradeTest, exchanges_of_both_with_one_number_are_two) {
  start();
  opened(1, 100);
  tick();
  succeed();
  into_ = &*next_ring_;
  opened(1, 50);
  into_ = nullptr;
  next_->collect(clock_.now());
  settled(1, 7);
  tick();
  deliver();
  EXPECT_EQ(total_of(*next_, clock_.wall()), 7u);
  next_->predecessor_ended(clock_.now());  // Its own exchange runs on.
  EXPECT_EQ(total_of(*next_, clock_.wall()), 7u);
  EXPECT_EQ(found_later(), 57u);
}

TEST_F(SpendUpgradeTest, an_upgrade_that_fails_leaves_nothing_out) {
  start();
  opened(1, 100);
  tick();
  journal_->freeze();
  settled(1, 7);
  opened(2, 100);
  tick();
  open_successor();
  stop_writing();
  opened(3, 1'000);
  tick();
  next_.reset();
  journal_->resume(clock_.now());
  settled(2, 9);
  tick();
  EXPECT_EQ(total().micro_dollars, 16u);
  EXPECT_EQ(found_later(), 1'016u);
}

TEST_F(SpendUpgradeTest, a_predecessor_that_dies_is_booked_at_what_was_set_aside) {
  start();
  opened(1, 100);
  tick();
  succeed();
  opened(2, 1'000);
  tick();
  deliver();
  settled(1, 7);  // Dies in the ring.
  next_->predecessor_ended(clock_.now());
  EXPECT_EQ(total_of(*next_, clock_.wall()), 1'100u);
  ASSERT_TRUE(next_->finish());
  next_.reset();
  heir_.fate = SpendHeir::Fate::kGone;
  ring_.emplace(16, lost_);
  start();
  EXPECT_EQ(total().micro_dollars, 1'100u);
}

TEST_F(SpendUpgradeTest, records_wait_for_a_successor_that_is_behind) {
  start();
  succeed();
  heir_.fate = SpendHeir::Fate::kLater;
  opened(1, 100);
  settled(1, 7);
  tick();
  EXPECT_TRUE(heir_.batches.empty());
  heir_.fate = SpendHeir::Fate::kTaken;
  tick();
  deliver();
  EXPECT_EQ(total_of(*next_, clock_.wall()), 7u);
  EXPECT_EQ(found_later(), 7u);
}

TEST_F(SpendUpgradeTest, without_a_successor_the_files_are_written_again) {
  start();
  opened(1, 100);
  tick();
  succeed();
  next_.reset();
  heir_.fate = SpendHeir::Fate::kGone;
  settled(1, 7);
  tick();
  EXPECT_EQ(found_later(), 7u);
}

TEST_F(SpendUpgradeTest, no_segment_is_begun_by_either_while_both_have_the_files) {
  start(1);  // Full with each record.
  opened(1, 100);
  journal_->freeze();
  const std::vector<std::string> before = folder_.names();
  for (int i = 0; i < 3; ++i) tick();
  open_successor();
  tick_next();
  EXPECT_EQ(folder_.names(), before);
  hand_over();
  into_ = &*next_ring_;
  opened(2, 100);
  into_ = nullptr;
  tick_next();
  tick();
  EXPECT_EQ(folder_.names(), before);
}

TEST_F(SpendUpgradeTest, behind_a_successor_that_has_begun_a_segment_and_died_it_goes_on_there) {
  start();
  opened(1, 100);
  tick();
  next_segment_bytes_ = 1;
  succeed();
  into_ = &*next_ring_;
  opened(2, 100);
  settled(2, 9);
  into_ = nullptr;
  for (int i = 0; i < 4; ++i) {
    tick_next();
    clock_.advance(milliseconds(100));
  }
  ASSERT_EQ(folder_.names().back(), "spend-2.journal");
  next_.reset();
  heir_.fate = SpendHeir::Fate::kGone;
  settled(1, 7);
  for (int i = 0; i < 3; ++i) tick();
  EXPECT_EQ(found_later(), 16u);
}

// Each exchange sets 1000 aside and costs a power of two, so that the sum says which were booked,
// and how. What was recorded is flushed in the same step.
TEST_F(SpendUpgradeTest, whoever_is_killed_after_whatever_step_each_exchange_is_booked_once) {
  constexpr int kSteps = 9;
  for (int step = 0; step <= kSteps; ++step) {
    for (const bool kills_old : {true, false}) {
      SCOPED_TRACE(testing::Message() << step << (kills_old ? " predecessor" : " successor"));
      const uint64_t base = total_before();
      start();
      uint64_t opened_count = 0;
      uint64_t settled_bits = 0;
      bool old_lives = true;
      bool next_lives = false;
      const auto open_one = [&](uint64_t number) {
        opened(number, 1'000);
        ++opened_count;
      };
      const auto settle = [&](uint64_t number) {
        settled(number, uint64_t{1} << number);
        settled_bits |= uint64_t{1} << number;
      };
      const auto of_next = [&](const auto& what) {
        into_ = &*next_ring_;
        what();
        into_ = nullptr;
      };
      const auto flush = [&] {
        if (old_lives) tick();
        if (!next_lives) return;
        deliver();
        tick_next();
      };
      const std::function<void()> steps[kSteps] = {
          [&] { open_one(0), open_one(1), open_one(2), settle(0); },
          [&] { journal_->freeze(); },
          [&] { open_one(3), settle(1); },
          [&] { open_successor(), next_lives = true; },
          [&] { open_one(4), settle(3); },
          [&] { stop_writing(), open_one(5); },
          [&] {
            ASSERT_TRUE(next_->take_over());
            journal_->hand_over(heir_);
          },
          [&] {
            settle(2), settle(4);
            of_next([&] { open_one(6); });
          },
          [&] {
            settle(5);
            of_next([&] { settle(6); });
          },
      };
      for (int i = 0; i < step; ++i) {
        steps[i]();
        flush();
      }
      // What the record of a step that was not handed on yet says is not promised.
      const bool is_held = step == 6;
      if (kills_old) {
        journal_.reset();
        old_lives = false;
        // Before it is ready it ends with its predecessor.
        if (next_lives && step < 6) next_.reset();
        if (next_ != nullptr) {
          if (step == 6) {
            ASSERT_TRUE(next_->take_over());
          }
          next_->predecessor_ended(clock_.now());
          ASSERT_TRUE(next_->finish());
        }
      } else {
        next_.reset();
        heir_.fate = SpendHeir::Fate::kGone;
        if (step > 0 && step < 7) journal_->resume(clock_.now());
        tick();
        ASSERT_TRUE(journal_->finish());
      }
      journal_.reset();
      next_.reset();
      heir_ = {};
      next_ring_.reset();
      start();
      const SpendSums sums = total();
      const uint64_t lost = is_held && kills_old ? 1 : 0;
      EXPECT_EQ(sums.requests - base_requests_, opened_count - lost);
      const uint64_t spent = sums.micro_dollars - base;
      EXPECT_EQ(spent % 1'000, settled_bits);
      EXPECT_EQ(spent / 1'000 + static_cast<uint64_t>(std::popcount(settled_bits)),
                opened_count - lost);
      remember(sums);
    }
  }
}

TEST_F(SpendUpgradeTest, bytes_that_are_no_batch_are_refused) {
  start();
  for (const std::string_view text : {"x"sv, "\xff\xff"sv, "\x03\0abc"sv, "\0\0"sv}) {
    EXPECT_FALSE(journal_->take_batch(text, clock_.now()));
  }
  EXPECT_TRUE(journal_->take_batch("", clock_.now()));
}

}  // namespace
}  // namespace sluice::control
