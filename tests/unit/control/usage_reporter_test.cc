#include "usage_reporter.h"

#include <gtest/gtest.h>

#include "sim_world.h"

#include "kept_lines.h"

namespace sluice::control {
namespace {

// Records of which only the numbers matter.
class FakeFeed final : public UsageFeed {
 public:
  [[nodiscard]] uint64_t last_number() const noexcept override { return last; }
  Task<UsageResult<std::vector<UsageRow>>> rows_after(uint64_t number, uint32_t most) override {
    if (fails) co_return std::unexpected("the file is damaged");
    std::vector<UsageRow> rows;
    for (uint64_t next = std::max(number, gone) + 1; next <= last && rows.size() < most; ++next) {
      rows.emplace_back().number = next;
    }
    co_return rows;
  }
  Task<UsageResult<void>> set_told(const std::string& reporter, uint64_t number) override {
    EXPECT_EQ(reporter, "billing");
    if (fails_to_note) co_return std::unexpected("the file is full");
    told = number;
    co_return UsageResult<void>();
  }

  uint64_t last = 0;
  uint64_t gone = 0;
  uint64_t told = 0;
  bool fails = false;
  bool fails_to_note = false;
};

class FakeTarget final : public UsageTarget {
 public:
  explicit FakeTarget(io::Ring& ring) : ring_(ring), timer_(ring.ready(), ring.timers()) {}
  Task<UsageResult<void>> deliver(const std::vector<UsageRow>& rows, Deadline deadline) override {
    ++calls;
    at.push_back(ring_.now());
    largest = std::max(largest, rows.size());
    if (hangs) {
      timer_.set(deadline);
      co_await io::first_of(&timer_);
      co_return std::unexpected("no answer in time");
    }
    if (fails) co_return std::unexpected("the webhook answered 503");
    for (const UsageRow& row : rows) numbers.push_back(row.number);
    co_return UsageResult<void>();
  }
  Task<void> end() override { co_return; }

  int calls = 0;
  std::vector<MonoTime> at;
  std::vector<uint64_t> numbers;
  size_t largest = 0;
  bool fails = false;
  bool hangs = false;

 private:
  io::Ring& ring_;
  io::Timer timer_;
};

class UsageReporterTest : public testing::Test {
 protected:
  ~UsageReporterTest() override {
    reporter_.stop();
    EXPECT_TRUE(world_.run_until(ring_, [this] { return has_ended_; }));
  }
  Task<void> run_task() {
    co_await reporter_.run();
    has_ended_ = true;
  }
  void start() { io::start_detached(run_task()); }
  void wait(Duration duration) { ASSERT_TRUE(world_.run_for(ring_, duration)); }
  [[nodiscard]] std::vector<uint64_t> up_to(uint64_t last) const {
    std::vector<uint64_t> numbers;
    for (uint64_t number = 1; number <= last; ++number) numbers.push_back(number);
    return numbers;
  }
  uint64_t count(metrics::UsageFate fate) { return registry_.usage_records[fate].value(); }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 16, .most = 16}};
  FakeFeed feed_;
  FakeTarget target_{ring_};
  metrics::ControlCells registry_;
  support::KeptLines log_;
  UsageReporter reporter_{{.settings = {.name = "billing",
                                        .timeout = seconds(10),
                                        .batch_max = 3,
                                        .interval = seconds(1)},
                           .ring = ring_,
                           .feed = feed_,
                           .target = target_,
                           .cells = registry_,
                           .log = log_}};
  bool has_ended_ = false;
};

TEST_F(UsageReporterTest, all_are_told_in_order_in_bounded_batches) {
  feed_.last = 8;
  start();
  wait(milliseconds(10));  // Full batches follow each other without a pause.
  EXPECT_EQ(target_.numbers, up_to(8));
  EXPECT_EQ(target_.largest, 3u);
  EXPECT_EQ(feed_.told, 8u);
  EXPECT_EQ(count(metrics::UsageFate::kReported), 8u);
  feed_.last = 10;
  wait(milliseconds(500));
  EXPECT_EQ(target_.numbers, up_to(8));
  wait(seconds(1));
  EXPECT_EQ(target_.numbers, up_to(10));
  EXPECT_EQ(target_.calls, 4);
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(UsageReporterTest, d136_what_is_not_taken_is_offered_again_less_and_less_often) {
  feed_.last = 2;
  target_.fails = true;
  start();
  wait(seconds(2'000));
  EXPECT_EQ(feed_.told, 0u);
  ASSERT_GE(target_.at.size(), 10u);
  EXPECT_LE(target_.at.size(), 25u);
  for (size_t i = 1; i < target_.at.size(); ++i) {
    const Duration gap = target_.at[i] - target_.at[i - 1];
    const Duration whole = std::min<Duration>(
        UsageReporter::kRetryFirst * (1 << std::min<size_t>(i - 1, 20)), UsageReporter::kRetryMost);
    EXPECT_GE(gap, whole / 2) << i;
    EXPECT_LE(gap, whole + milliseconds(5)) << i;
  }
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_TRUE(log_.lines[0].contains("billing: the webhook answered 503")) << log_.lines[0];
  EXPECT_GT(count(metrics::UsageFate::kReportFailed), 10u);

  target_.fails = false;
  wait(UsageReporter::kRetryMost);
  EXPECT_EQ(target_.numbers, up_to(2));
  EXPECT_EQ(log_.lines.size(), 2u);
}

TEST_F(UsageReporterTest, d071_a_target_that_hangs_is_waited_for_no_longer_than_its_timeout) {
  feed_.last = 1;
  target_.hangs = true;
  start();
  wait(seconds(25));
  EXPECT_EQ(target_.calls, 3);
  EXPECT_EQ(feed_.told, 0u);
  target_.hangs = false;
  wait(seconds(15));
  EXPECT_EQ(target_.numbers, up_to(1));
}

TEST_F(UsageReporterTest, file_that_cannot_be_read_is_told_and_asked_again) {
  feed_.last = 1;
  feed_.fails = true;
  start();
  wait(seconds(5));
  EXPECT_EQ(target_.calls, 0);
  ASSERT_EQ(log_.lines.size(), 1u);
  feed_.fails = false;
  wait(seconds(10));
  EXPECT_EQ(target_.numbers, up_to(1));
}

TEST_F(UsageReporterTest, where_it_stands_is_written_as_soon_as_that_is_possible) {
  feed_.last = 2;
  feed_.fails_to_note = true;
  start();
  wait(seconds(5));
  EXPECT_EQ(target_.numbers, up_to(2));  // Not again in this process.
  EXPECT_EQ(feed_.told, 0u);
  feed_.fails_to_note = false;
  wait(seconds(2));
  EXPECT_EQ(feed_.told, 2u);
}

TEST_F(UsageReporterTest, records_that_are_gone_are_passed_over) {
  feed_.last = 5;
  feed_.gone = 5;
  start();
  wait(milliseconds(10));
  EXPECT_EQ(target_.calls, 0);
  EXPECT_EQ(feed_.told, 5u);
  feed_.last = 6;
  wait(seconds(2));
  EXPECT_EQ(target_.numbers, (std::vector<uint64_t>{6}));
}

}  // namespace
}  // namespace sluice::control
