#include <sluice/control/usage_log.h>

#include <gtest/gtest.h>

#include <filesystem>

#include <sluice/control/run_to_end.h>

#include "../store/lane_world.h"
#include "../store/sqlite_folder.h"
#include "log_lines.h"
#include "sim_clock.h"
#include "usage_file.h"
#include "usage_records.h"
#include "usage_target.h"

namespace sluice::control {
namespace {

using metrics::UsageFate;

class NoNames final : public net::Resolver {
 public:
  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string, uint16_t) override {
    co_return std::unexpected("no names here");
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string) override {
    co_return std::vector<net::ServiceRecord>{};
  }
  Task<void> end() override { co_return; }
};

// What reporters were told, by all processes of a test.
struct Told {
  std::vector<std::string> ids;
  bool refuses = false;
};

class KeptTarget final : public UsageTarget {
 public:
  explicit KeptTarget(Told& told) : told_(told) {}
  Task<UsageResult<void>> deliver(const std::vector<UsageRow>& rows, Deadline) override {
    if (told_.refuses) co_return std::unexpected("the webhook answered 503");
    for (const UsageRow& row : rows) told_.ids.push_back(row.id);
    co_return UsageResult<void>();
  }
  Task<void> end() override { co_return; }

 private:
  Told& told_;
};

class UsageLogTest : public testing::Test, public io::TurnHook {
 protected:
  UsageLogTest() { world_.ring.set_hook(*this); }
  ~UsageLogTest() override {
    stop();
    world_.ring.clear_hook();
  }
  [[nodiscard]] bool has_work() const noexcept override { return returns_.has_work(); }
  void run() override { world_.returns.run(); }

  std::expected<std::unique_ptr<UsageLog>, std::string> open() {
    return UsageLog::open({.settings = settings_,
                           .ring = world_.ring,
                           .returns = world_.returns,
                           .resolver = names_,
                           .clock = clock_,
                           .cells = cells_,
                           .log = lines_,
                           .make_target = [this](const config::ReporterSettings&) {
                             return UsageResult<std::unique_ptr<UsageTarget>>(
                                 std::make_unique<KeptTarget>(told_));
                           }});
  }
  void start() {
    auto opened = open();
    ASSERT_TRUE(opened) << opened.error();
    log_ = std::move(*opened);
  }
  void stop() {
    if (log_ == nullptr) return;
    run_to_end(world_.ring, log_->end());
    settle();
    log_.reset();
  }
  void settle() {
    while (log_->is_busy()) {
      world_.returns.run();
      std::this_thread::yield();
    }
  }
  // So much later, with what is due then on the disk.
  void tick(Duration by = UsageLog::kBatchAge) {
    clock_.advance(by);
    log_->advance(clock_.now());
    settle();
  }
  void push(uint64_t from, uint64_t to) {
    for (uint64_t number = from; number < to; ++number) {
      usage::SpendRecord record = usage_record(number);
      record.at = clock_.wall();
      log_->push(record, 0);
    }
  }
  Task<void> sums_task(UsageQuestion question, std::expected<UsageSums, std::string>* out) {
    auto answer = co_await log_->sums(std::move(question));
    *out = std::move(answer);
  }
  std::expected<UsageSums, std::string> sums(UsageQuestion question = {}) {
    std::expected<UsageSums, std::string> answer;
    run_to_end(world_.ring, sums_task(std::move(question), &answer));
    return answer;
  }
  uint64_t requests() {
    const auto answer = sums();
    EXPECT_TRUE(answer) << answer.error();
    return answer && !answer->lines.empty() ? answer->lines[0].requests : 0;
  }
  Task<void> page_task(UsagePage* out) {
    auto answer = co_await log_->records({});
    EXPECT_TRUE(answer);
    if (answer) *out = std::move(*answer);
  }
  [[nodiscard]] std::vector<std::string> waiting() const {
    std::vector<std::string> records;
    log_->show_waiting([&](std::string_view bytes) { records.emplace_back(bytes); });
    return records;
  }

  store::SqliteFolder folder_;
  store::LaneWorld world_;
  io::OffloadReturns& returns_ = world_.returns;
  support::SimClock clock_;
  NoNames names_;
  metrics::ControlCells cells_;
  Lines lines_;
  Told told_;
  config::UsageLogSettings settings_{.path = folder_.file()};
  std::unique_ptr<UsageLog> log_;
};

TEST_F(UsageLogTest, records_go_to_the_file_in_batches_by_age_and_by_number) {
  start();
  tick(milliseconds(1));  // The first look at what is old.
  push(0, 3);
  tick(milliseconds(100));
  EXPECT_EQ(waiting().size(), 3u);
  tick(milliseconds(150));
  EXPECT_EQ(waiting().size(), 0u);
  EXPECT_EQ(requests(), 3u);
  push(3, 3 + UsageLog::kBatchMost);
  tick(milliseconds(1));
  EXPECT_EQ(waiting().size(), 0u);
  EXPECT_EQ(requests(), 3 + UsageLog::kBatchMost);
  EXPECT_EQ(cells_.usage_records[UsageFate::kStored].value(), 3 + UsageLog::kBatchMost);
  EXPECT_GT(cells_.usage_log_bytes.value(), 500'000);
  EXPECT_TRUE(lines_.problems.empty());
  UsagePage page;
  run_to_end(world_.ring, page_task(&page));
  EXPECT_EQ(page.rows.size(), 100u);
}

TEST_F(UsageLogTest, what_the_journal_shows_again_is_in_the_file_once) {
  start();
  push(0, 10);
  tick();
  stop();
  start();
  for (uint64_t number = 5; number < 15; ++number) ASSERT_TRUE(log_->replay(usage_record(number)));
  ASSERT_TRUE(log_->end_replay());
  EXPECT_EQ(requests(), 15u);
  EXPECT_EQ(cells_.usage_records[UsageFate::kStored].value(), 15u);
}

TEST_F(UsageLogTest, d072_file_that_fails_keeps_a_bounded_number_waiting_and_counts_the_rest) {
  start();
  tick();
  auto other = store::SqliteDb::open(folder_.file(), {.is_exclusive = false});
  ASSERT_TRUE(other);
  {
    auto transaction = (*other)->begin();
    ASSERT_TRUE(transaction);
    push(0, UsageLog::kWaitingMost);
    tick();
    tick();
    push(UsageLog::kWaitingMost, UsageLog::kWaitingMost + 7);
    tick(UsageLog::kRetryGap);
    EXPECT_EQ(waiting().size(), UsageLog::kWaitingMost);
    ASSERT_EQ(lines_.problems.size(), 1u);
    EXPECT_TRUE(lines_.problems[0].contains("locked by another program")) << lines_.problems[0];
    EXPECT_EQ(cells_.usage_records[UsageFate::kLost].value(), 7u);
  }
  tick(UsageLog::kRetryGap);
  while (!waiting().empty()) tick();
  EXPECT_EQ(requests(), UsageLog::kWaitingMost);
  ASSERT_EQ(lines_.problems.size(), 2u);
  EXPECT_TRUE(lines_.problems[1].contains("written again; 7 records were lost"));
}

TEST_F(UsageLogTest, old_records_go_while_new_ones_come) {
  settings_.retention = seconds(100);
  start();
  push(0, 2'500);
  tick();
  clock_.advance(seconds(101));
  push(2'500, 2'510);
  tick();
  EXPECT_EQ(requests(), 1'510u);  // A portion at each tick, beside the records.
  tick(milliseconds(1));
  tick(milliseconds(1));
  EXPECT_EQ(requests(), 10u);
}

TEST_F(UsageLogTest, reporters_are_told_over_restarts_of_each_record) {
  settings_.reporters = {{.name = "billing", .interval = milliseconds(1)}};
  start();
  log_->start();
  push(0, 3);
  tick();
  while (told_.ids.size() < 3) world_.ring.turn();
  told_.refuses = true;
  push(3, 5);
  tick();
  EXPECT_EQ(cells_.usage_backlog.value(), 2);
  stop();
  told_.refuses = false;
  start();
  log_->start();
  while (told_.ids.size() < 5) world_.ring.turn();
  EXPECT_EQ(told_.ids[3], "0000000000000007-1000000000003");
  EXPECT_EQ(told_.ids[4], "0000000000000007-1000000000004");
  stop();
  EXPECT_EQ(told_.ids.size(), 5u);
}

TEST_F(UsageLogTest, reporters_come_and_go_with_the_configuration) {
  settings_.reporters = {{.name = "billing", .interval = milliseconds(1)}};
  start();
  log_->start();
  push(0, 2);
  tick();
  while (told_.ids.size() < 2) world_.ring.turn();
  config::UsageLogSettings next = settings_;
  next.reporters[0].batch_max = 7;  // Another one of the same name, where the first one stands.
  log_->follow(next);
  push(2, 4);
  tick();
  while (told_.ids.size() < 4) world_.ring.turn();
  EXPECT_EQ(told_.ids.back(), "0000000000000007-1000000000003");
  log_->follow(next);
  next.reporters.clear();
  log_->follow(next);
  push(4, 6);
  tick();
  EXPECT_EQ(cells_.usage_backlog.value(), 0);
  stop();
  EXPECT_EQ(told_.ids.size(), 4u);
}

TEST_F(UsageLogTest, records_that_a_reporter_never_had_are_counted_when_they_go) {
  settings_.reporters = {{.name = "billing"}};
  settings_.retention = seconds(100);
  start();
  push(0, 4);
  tick();
  tick(seconds(120));
  EXPECT_EQ(cells_.usage_records[UsageFate::kLost].value(), 4u);
  ASSERT_EQ(lines_.problems.size(), 1u);
  EXPECT_TRUE(lines_.problems[0].contains("4 records went by age or size"));
}

TEST_F(UsageLogTest, finish_writes_the_rest) {
  start();
  push(0, 10'000);
  run_to_end(world_.ring, log_->end());
  EXPECT_TRUE(log_->finish());
  EXPECT_FALSE(log_->is_hanging());
  log_.reset();
  start();
  EXPECT_EQ(requests(), 10'000u);
}

TEST_F(UsageLogTest, finish_with_a_locked_file_leaves_the_rest_to_the_journal) {
  start();
  auto other = store::SqliteDb::open(folder_.file(), {.is_exclusive = false});
  ASSERT_TRUE(other);
  auto transaction = (*other)->begin();
  ASSERT_TRUE(transaction);
  push(0, 10);
  run_to_end(world_.ring, log_->end());
  EXPECT_FALSE(log_->finish());
  EXPECT_FALSE(log_->is_hanging());
  EXPECT_EQ(waiting().size(), 10u);
  EXPECT_TRUE(lines_.problems.back().contains("10 records are not in")) << lines_.problems.back();
}

TEST_F(UsageLogTest, file_that_is_none_is_refused_at_the_start_with_the_remedy) {
  std::ofstream(folder_.file()) << std::string(5'000, 'x');
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().contains("no SQLite database; move it away")) << opened.error();
}

TEST_F(UsageLogTest, replay_into_a_file_that_fails_refuses_the_start) {
  start();
  auto other = store::SqliteDb::open(folder_.file(), {.is_exclusive = false});
  ASSERT_TRUE(other);
  auto transaction = (*other)->begin();
  ASSERT_TRUE(transaction);
  ASSERT_TRUE(log_->replay(usage_record(1)));
  EXPECT_FALSE(log_->end_replay());
  EXPECT_TRUE(log_->problem().contains("locked by another program"));
}

TEST_F(UsageLogTest, nothing_is_answered_once_it_has_ended) {
  start();
  run_to_end(world_.ring, log_->end());
  const auto answer = sums();
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().contains("is ending"));
}

}  // namespace
}  // namespace sluice::control
