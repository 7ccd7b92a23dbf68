#include <sluice/control/limit_reconciler.h>

#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sim_world.h"

#include "kept_lines.h"

namespace sluice::control {
namespace {

// Answers after a while, or never.
class SlowLedger final : public Ledger {
 public:
  explicit SlowLedger(io::Ring& ring) : ring_(ring) {}

  Task<Result<LedgerReply>> ask(const LedgerCall& call, Deadline deadline) override {
    ++calls;
    const size_t asks = call.asks.size();
    const Deadline answer{ring_.now() + delay};
    io::Timer timer(ring_.ready(), ring_.timers());
    timer.set(answer.sooner(deadline));
    co_await io::first_of(&timer);
    if (deadline.at < answer.at) {
      co_return fail(ErrorCode::kUpstreamTimeout, Side::kSelf, Retry::kYes, "it took too long");
    }
    LedgerReply reply;
    reply.answers.resize(asks, {.is_answered = true,
                                .granted = 2,
                                .slot = 1,
                                .lives = milliseconds(500),
                                .remaining = 5,
                                .most = 100});
    reply.buckets.fill({.is_answered = true, .since = 5, .learning = learning});
    co_return reply;
  }

  [[nodiscard]] std::string_view name() const noexcept override { return called; }
  void set_name(std::string_view name) override { called = name; }

  std::string called = "first";
  Duration delay = milliseconds(1);
  microseconds learning{};
  int calls = 0;

 private:
  io::Ring& ring_;
};

class LimitReconcilerTest : public testing::Test {
 protected:
  explicit LimitReconcilerTest(bool has_ledger = true)
      : banks_(*limit::BankTable::make(
            {.subjects_max = 64, .now = ring_.now(), .wall = ring_.clock().wall()})),
        ledger_(ring_),
        reconciler_({.ring = ring_,
                     .banks = *banks_,
                     .registry = registry_,
                     .log = log_,
                     .ledger = has_ledger ? &ledger_ : nullptr,
                     .gateways = 2}) {
    reconciler_.start();
  }
  ~LimitReconcilerTest() override {
    bool is_over = false;
    io::start_detached(end(&is_over));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
  }
  Task<void> end(bool* is_over) {
    co_await reconciler_.end();
    *is_over = true;
  }
  void pass(Duration duration) { ASSERT_TRUE(world_.run_for(ring_, duration)); }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 16, .most = 64}};
  std::unique_ptr<limit::BankTable> banks_;
  metrics::Registry registry_{1};
  support::KeptLines log_;
  SlowLedger ledger_;
  LimitReconciler reconciler_;
};

TEST_F(LimitReconcilerTest, is_up_with_the_first_answers_and_says_nothing_of_it) {
  EXPECT_EQ(banks_->ledger(), limit::BankTable::Ledger::kLost);
  pass(milliseconds(100));
  EXPECT_TRUE(reconciler_.is_up());
  EXPECT_EQ(registry_.control().redis_up.value(), 1);
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(LimitReconcilerTest, a_shard_that_asks_is_told_when_there_is_an_answer) {
  pass(milliseconds(100));
  limit::Bank* const bank = banks_->open({1, 1}, {.most = 100, .length = seconds(60)});
  bank->ask(1);
  banks_->mark(*bank);
  banks_->ask(ShardId{1});
  EXPECT_TRUE(reconciler_.has_work());
  EXPECT_EQ(reconciler_.run()[0], 0u);
  pass(milliseconds(5));
  EXPECT_TRUE(reconciler_.has_work());
  EXPECT_EQ(reconciler_.run()[0], 2u);
  EXPECT_EQ(bank->credit(banks_->clock().at(ring_.now())), 2);
  EXPECT_EQ(registry_.control().ledger_asks.value(), 1u);
  banks_->close(*bank);
}

TEST_F(LimitReconcilerTest, one_that_hangs_is_lost_after_wait_max_and_comes_back) {
  pass(milliseconds(100));
  ledger_.delay = seconds(60);
  // The next greeting finds it.
  pass(milliseconds(1300));
  EXPECT_FALSE(reconciler_.is_up());
  EXPECT_EQ(banks_->ledger(), limit::BankTable::Ledger::kLost);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("on_loss"), std::string::npos);
  ledger_.delay = milliseconds(1);
  pass(milliseconds(500));
  EXPECT_TRUE(reconciler_.is_up());
  EXPECT_EQ(log_.lines.size(), 2u);
}

// Until the first answer nobody is to be served.
class Meeting : public LimitReconcilerTest {
 protected:
  Task<void> meet() {
    co_await reconciler_.meet_ledger();
    has_met_ = true;
  }
  bool has_met_ = false;
};

TEST_F(Meeting, ends_as_soon_as_the_ledger_is_up) {
  io::start_detached(meet());
  EXPECT_FALSE(has_met_);
  ASSERT_TRUE(world_.run_until(ring_, [&] { return has_met_; }));
  EXPECT_EQ(banks_->ledger(), limit::BankTable::Ledger::kUp);
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(Meeting, goes_on_over_questions_that_fail_and_says_nothing_of_them) {
  ledger_.delay = seconds(60);
  io::start_detached(meet());
  pass(LimitReconciler::kMeetingMost - milliseconds(300));
  EXPECT_FALSE(has_met_);
  EXPECT_GT(ledger_.calls, 2);
  ledger_.delay = milliseconds(1);
  ASSERT_TRUE(world_.run_until(ring_, [&] { return has_met_; }));
  EXPECT_TRUE(reconciler_.is_up());
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(Meeting, does_not_wait_for_a_ledger_that_learns) {
  ledger_.learning = seconds(2);
  io::start_detached(meet());
  pass(milliseconds(10));
  EXPECT_TRUE(has_met_);
  EXPECT_FALSE(reconciler_.is_up());
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("learns"), std::string::npos);
}

TEST_F(Meeting, is_given_up_in_the_end_which_is_said_once) {
  ledger_.delay = seconds(60);
  io::start_detached(meet());
  pass(LimitReconciler::kMeetingMost - milliseconds(1));
  EXPECT_FALSE(has_met_);
  pass(seconds(5));
  EXPECT_TRUE(has_met_);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("it took too long"), std::string::npos);
  EXPECT_NE(log_.lines[0].find("on_loss"), std::string::npos);
  ledger_.delay = milliseconds(1);
  pass(milliseconds(500));
  EXPECT_TRUE(reconciler_.is_up());
  ASSERT_EQ(log_.lines.size(), 2u);
  EXPECT_NE(log_.lines[1].find("again"), std::string::npos);
}

TEST_F(Meeting, ends_with_the_reconciler) {
  ledger_.delay = seconds(60);
  io::start_detached(meet());
  pass(milliseconds(10));
  bool is_over = false;
  io::start_detached(end(&is_over));
  ASSERT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
  EXPECT_TRUE(has_met_);
}

TEST_F(LimitReconcilerTest, an_idle_gateway_asks_once_a_second) {
  pass(seconds(1));
  const int before = ledger_.calls;
  pass(seconds(10));
  EXPECT_LE(ledger_.calls - before, 11);
}

// The successor's over the same banks, of another process.
class WithSuccessor : public LimitReconcilerTest {
 protected:
  void start(const std::string& place = "") {
    heir_ledger_.called = "second";
    heir_.emplace(LimitReconciler::Parts{.ring = ring_,
                                         .banks = *heir_banks_,
                                         .registry = heir_registry_,
                                         .log = log_,
                                         .ledger = &heir_ledger_,
                                         .gateways = 2,
                                         .place = place});
    heir_->start();
  }
  ~WithSuccessor() override {
    bool is_over = false;
    io::start_detached(end_heir(&is_over));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
  }
  Task<void> end_heir(bool* is_over) {
    if (heir_) co_await heir_->end();
    *is_over = true;
  }

  std::unique_ptr<limit::BankTable> heir_banks_ =
      *limit::BankTable::make({.fd = ::dup(banks_->share_fd())});
  metrics::Registry heir_registry_{1};
  SlowLedger heir_ledger_{ring_};
  std::optional<LimitReconciler> heir_;
};

TEST_F(WithSuccessor, goes_on_under_the_name_of_the_predecessor_and_is_up_at_once) {
  pass(milliseconds(100));
  io::start_detached(reconciler_.leave());
  start();
  EXPECT_TRUE(heir_->is_up());
  EXPECT_EQ(heir_banks_->ledger(), limit::BankTable::Ledger::kUp);
  EXPECT_EQ(heir_ledger_.called, "first");
  const int before = ledger_.calls;
  pass(seconds(3));
  EXPECT_EQ(ledger_.calls, before);
  EXPECT_GT(heir_ledger_.calls, 0);
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(WithSuccessor, waits_for_an_answer_that_is_on_its_way_to_the_predecessor) {
  pass(milliseconds(100));
  limit::Bank* const bank = banks_->open({1, 1}, {.most = 100, .length = seconds(60)});
  ledger_.delay = milliseconds(30);
  bank->ask(1);
  banks_->mark(*bank);
  banks_->ask(ShardId{1});
  (void)reconciler_.run();
  io::start_detached(reconciler_.leave());
  start();
  EXPECT_FALSE(heir_->is_up());
  pass(milliseconds(29));
  EXPECT_FALSE(heir_->is_up());
  EXPECT_EQ(heir_banks_->ledger(), limit::BankTable::Ledger::kUp);
  pass(milliseconds(5));
  EXPECT_TRUE(heir_->is_up());
  EXPECT_EQ(bank->credit(banks_->clock().at(ring_.now())), 2);
  banks_->close(*bank);
}

TEST_F(WithSuccessor, who_waits_at_the_predecessor_is_answered_by_the_successor) {
  pass(milliseconds(100));
  limit::Bank* const bank = banks_->open({1, 1}, {.most = 100, .length = seconds(60)});
  io::start_detached(reconciler_.leave());
  start();
  bank->ask(1);
  banks_->mark(*bank);
  banks_->ask(ShardId{1});
  // Within two ticks: one that asks, and one that is told.
  pass(milliseconds(60));
  EXPECT_EQ(bank->credit(banks_->clock().at(ring_.now())), 2);
  ASSERT_TRUE(reconciler_.has_work());
  EXPECT_EQ(reconciler_.run()[0], 2u);
  banks_->close(*bank);
}

TEST_F(WithSuccessor, a_predecessor_that_promises_and_dies_is_waited_for_in_vain_but_not_long) {
  pass(milliseconds(100));
  banks_->promise_note();
  start();
  pass(LimitReconciler::kNotePatience - milliseconds(5));
  EXPECT_FALSE(heir_->is_up());
  pass(milliseconds(30));
  EXPECT_TRUE(heir_->is_up());
  EXPECT_EQ(heir_ledger_.called, "second");
}

TEST_F(WithSuccessor, what_another_redis_said_is_of_no_use) {
  pass(milliseconds(100));
  io::start_detached(reconciler_.leave());
  start("elsewhere");
  EXPECT_EQ(heir_ledger_.called, "second");
  EXPECT_EQ(heir_banks_->ledger(), limit::BankTable::Ledger::kLost);
  pass(milliseconds(100));
  EXPECT_TRUE(heir_->is_up());
}

class WithoutLedger : public LimitReconcilerTest {
 protected:
  WithoutLedger() : LimitReconcilerTest(false) {}
};

TEST_F(WithoutLedger, idle_banks_are_swept_and_undershoot_is_told) {
  limit::Bank* const bank = banks_->open({1, 1}, {.most = 4, .length = seconds(1)});
  const limit::Taking taking = bank->take(3, 3, banks_->clock().at(ring_.now()));
  ASSERT_EQ(taking.amount, 3);
  bank->note_refusal(banks_->clock().at(ring_.now()));
  banks_->mark(*bank);
  banks_->close(*bank);
  EXPECT_EQ(banks_->in_use(), 1u);
  pass(seconds(5));
  EXPECT_EQ(registry_.control().limit_undershoot_ppm.value(), 250'000);
  EXPECT_EQ(banks_->in_use(), 0u);
  EXPECT_FALSE(reconciler_.is_up());
}

}  // namespace
}  // namespace sluice::control
