#include <sluice/control/ledger_book.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using limit::Bank;
using limit::BankTable;
using limit::BankTerms;
using limit::LimitTime;
using State = LedgerBook::State;

class LedgerBookTest : public testing::Test {
 protected:
  static constexpr microseconds kTick{20'000};
  static constexpr int64_t kSince = 77;

  LedgerBookTest()
      : banks_(*BankTable::make({.subjects_max = 64, .now = MonoTime{}, .wall = {kWall}})),
        book_(LedgerBook::Parts{.banks = *banks_, .gateways = 2, .tick = kTick}) {}

  LimitTime now() const { return banks_->clock().at(mono_); }
  Bank& open(BankTerms::Kind kind = BankTerms::Kind::kRolling, int64_t most = 1000) {
    return *banks_->open(
        {1, 2}, {.kind = kind,
                 .most = most,
                 .length = kind == BankTerms::Kind::kConcurrent ? microseconds(0)
                                                                : microseconds(seconds(60))});
  }
  void ask(Bank& bank, int64_t amount) {
    bank.ask(amount);
    banks_->mark(bank);
    banks_->ask(ShardId{3});
    book_.look(now());
  }
  const LedgerCall* next() { return book_.next_call(now()); }
  void tick() {
    mono_ += kTick;
    book_.tick(now());
  }
  // All buckets answer; of the first subject `first`.
  void reply(const LedgerCall& call, LedgerAnswer first = {}, microseconds learning = {},
             int64_t since = kSince) {
    LedgerReply reply;
    reply.answers.resize(call.asks.size());
    for (LedgerAnswer& answer : reply.answers) {
      answer = first;
      answer.is_answered = true;
      if (answer.most == 0) answer.most = call.asks[0].most;
    }
    reply.buckets.fill({.is_answered = true, .since = since, .learning = learning});
    book_.on_reply(call.lane, reply, now());
  }
  void come_up() {
    for (int i = 0; i < 3 && book_.state() != State::kUp; ++i) {
      const LedgerCall* const call = next();
      ASSERT_NE(call, nullptr);
      EXPECT_TRUE(call->greets_all);
      reply(*call);
    }
    ASSERT_EQ(book_.state(), State::kUp);
    ASSERT_EQ(banks_->ledger(), BankTable::Ledger::kUp);
  }

  static constexpr int64_t kWall = 1'700'000'000'000'000;
  MonoTime mono_{};
  std::unique_ptr<BankTable> banks_;
  LedgerBook book_;
};

TEST_F(LedgerBookTest, is_lost_until_the_ledger_has_answered) {
  EXPECT_EQ(banks_->ledger(), BankTable::Ledger::kLost);
  come_up();
}

TEST_F(LedgerBookTest, what_a_shard_asks_is_asked_at_once_and_may_be_used_until_its_slot_ends) {
  Bank& bank = open();
  come_up();
  ask(bank, 3);
  const LedgerCall* const call = next();
  ASSERT_NE(call, nullptr);
  ASSERT_EQ(call->asks.size(), 1u);
  EXPECT_EQ(call->asks[0].want, 3);
  EXPECT_EQ(call->asks[0].least, 3);
  EXPECT_EQ(book_.take_answered()[0], 0u);
  mono_ += milliseconds(5);
  reply(*call, {.granted = 3, .slot = 9, .lives = milliseconds(15), .remaining = 90});
  EXPECT_EQ(book_.take_answered()[0], 8u);
  EXPECT_EQ(bank.credit(now()), 3);
  // Counted from when it was asked for.
  mono_ += milliseconds(10);
  EXPECT_EQ(bank.credit(now()), 0);
  banks_->close(bank);
}

TEST_F(LedgerBookTest, a_grant_whose_slot_has_ended_goes_back) {
  Bank& bank = open();
  come_up();
  ask(bank, 3);
  const LedgerCall* const call = next();
  mono_ += milliseconds(20);
  reply(*call, {.granted = 3, .slot = 9, .lives = milliseconds(15), .remaining = 90});
  EXPECT_EQ(bank.credit(now()), 0);
  const LedgerCall* const back = next();
  ASSERT_NE(back, nullptr);
  EXPECT_EQ(back->asks[0].returned, 3);
  EXPECT_EQ(back->asks[0].return_slot, 9);
  banks_->close(bank);
}

TEST_F(LedgerBookTest, what_the_ledger_has_not_is_not_asked_again_within_the_tick) {
  Bank& bank = open();
  come_up();
  ask(bank, 3);
  reply(*next(), {.slot = 9, .lives = milliseconds(900), .returns = seconds(12)});
  EXPECT_GT(bank.closed_until(), now());
  EXPECT_LE(bank.closed_until(), now() + kTick);
  EXPECT_EQ(bank.time_until(1, now()), seconds(12));
  banks_->close(bank);
}

TEST_F(LedgerBookTest, credit_that_stays_unused_goes_back) {
  Bank& bank = open();
  come_up();
  ask(bank, 5);
  reply(*next(), {.granted = 5, .slot = 9, .lives = seconds(1), .remaining = 90});
  ASSERT_EQ(bank.take(2, 2, now()).amount, 2);
  for (int i = 0; i < 4 && bank.credit(now()) > 0; ++i) tick();
  const LedgerCall* const call = next();
  ASSERT_NE(call, nullptr);
  ASSERT_EQ(call->asks.size(), 1u);
  EXPECT_EQ(call->asks[0].returned, 3);
  EXPECT_EQ(call->asks[0].return_slot, 9);
  EXPECT_EQ(call->asks[0].want, 0);
  banks_->close(bank);
}

TEST_F(LedgerBookTest, a_call_that_is_not_answered_loses_the_ledger_and_is_sent_again) {
  Bank& bank = open();
  come_up();
  ask(bank, 3);
  const LedgerCall first = *next();
  book_.on_loss(first.lane, now());
  EXPECT_EQ(book_.state(), State::kLost);
  EXPECT_EQ(banks_->ledger(), BankTable::Ledger::kLost);
  EXPECT_EQ(book_.take_answered()[0], 8u);
  const LedgerCall* const again = next();
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->batch, first.batch);
  EXPECT_EQ(again->asks, first.asks);
  reply(*again, {.granted = 3, .slot = 9, .lives = milliseconds(500), .remaining = 90});
  come_up();
  // Whoever waited for it was answered long ago.
  const LedgerCall* const back = next();
  ASSERT_NE(back, nullptr);
  EXPECT_EQ(back->asks[0].returned, 3);
  EXPECT_EQ(bank.credit(now()), 0);
  banks_->close(bank);
}

TEST_F(LedgerBookTest, what_others_had_used_before_a_loss_is_left_alone_until_it_returns) {
  Bank& bank = open();
  come_up();
  ask(bank, 3);
  reply(*next(), {.granted = 3, .slot = 9, .lives = milliseconds(500), .remaining = 100});
  EXPECT_EQ(bank.take(3, 3, now()).amount, 3);
  ask(bank, 1);
  book_.on_loss(next()->lane, now());
  // What this gateway has used, and its half of what was left, less what the other one may have
  // been granted meanwhile: twice 5 of 1,000.
  EXPECT_EQ(bank.most(), 3 + (100 - 2 * 5) / 2);
  mono_ += seconds(59);
  tick();
  EXPECT_EQ(bank.most(), 48);
  mono_ += seconds(4);
  tick();
  EXPECT_EQ(bank.most(), 500);
  banks_->close(bank);
}

TEST_F(LedgerBookTest, what_was_used_without_it_is_told_before_it_is_up) {
  Bank& bank = open();
  ASSERT_EQ(bank.take(7, 7, now()).amount, 7);
  reply(*next());
  const LedgerCall* const call = next();
  ASSERT_NE(call, nullptr);
  ASSERT_EQ(call->asks.size(), 1u);
  EXPECT_EQ(call->asks[0].owed, 7);
  EXPECT_EQ(call->asks[0].want, 0);
  EXPECT_EQ(book_.state(), State::kLost);
  reply(*call, {.slot = 9, .lives = seconds(1), .remaining = 90});
  come_up();
  banks_->close(bank);
}

TEST_F(LedgerBookTest, what_was_granted_before_a_loss_and_not_used_goes_back_after_it) {
  Bank& bank = open();
  come_up();
  ask(bank, 5);
  reply(*next(), {.granted = 5, .slot = 9, .lives = seconds(1), .remaining = 100});
  ASSERT_EQ(bank.take(3, 3, now()).amount, 3);
  ask(bank, 1);
  const LedgerCall* call = next();
  ASSERT_EQ(call->asks.size(), 1u);
  book_.on_loss(call->lane, now());
  // It was answered all the same, and the ledger says so when it is asked again.
  ASSERT_EQ(bank.take(4, 4, now()).amount, 4);
  mono_ += milliseconds(100);
  call = next();
  ASSERT_NE(call, nullptr);
  reply(*call, {.granted = 1, .slot = 9, .lives = seconds(1), .remaining = 99});
  EXPECT_EQ(bank.credit(now()), 3);
  int64_t owed = 0;
  int64_t returned = 0;
  for (int i = 0; i < 5 && (owed == 0 || returned == 0); ++i) {
    mono_ += milliseconds(1);
    call = next();
    ASSERT_NE(call, nullptr);
    for (const LedgerAsk& each : call->asks) {
      owed += each.owed;
      returned += each.returned;
      if (each.returned > 0) EXPECT_EQ(each.return_slot, 9);
    }
    reply(*call, {.slot = 9, .lives = seconds(1), .remaining = 95});
  }
  EXPECT_EQ(book_.state(), State::kUp);
  EXPECT_EQ(owed, 4);
  EXPECT_EQ(returned, 3);
  EXPECT_EQ(bank.credit(now()), 0);
  banks_->close(bank);
}

TEST_F(LedgerBookTest, one_that_has_forgotten_is_told_all_that_counts) {
  Bank& bank = open();
  come_up();
  ask(bank, 5);
  reply(*next(), {.granted = 5, .slot = 9, .lives = seconds(1), .remaining = 90});
  ASSERT_EQ(bank.take(2, 2, now()).amount, 2);
  mono_ += seconds(1);
  const LedgerCall* const greeting = next();
  ASSERT_NE(greeting, nullptr);
  reply(*greeting, {}, milliseconds(1500), kSince + 1);
  EXPECT_EQ(book_.state(), State::kLearning);
  EXPECT_EQ(banks_->ledger(), BankTable::Ledger::kLost);
  // What it had granted is not known there any more.
  EXPECT_EQ(bank.credit(now()), 0);
  const LedgerCall* const call = next();
  ASSERT_NE(call, nullptr);
  ASSERT_EQ(call->asks.size(), 1u);
  EXPECT_EQ(call->asks[0].owed, 2);
  EXPECT_EQ(call->since[bucket_of({1, 2})], kSince + 1);
  banks_->close(bank);
}

TEST_F(LedgerBookTest, d140_a_part_is_renewed_and_given_up_here_before_it_is_given_back) {
  Bank& bank = open(BankTerms::Kind::kConcurrent, 100);
  come_up();
  EXPECT_EQ(bank.most(), 0);
  ask(bank, 1);
  const LedgerCall* call = next();
  ASSERT_EQ(call->asks.size(), 1u);
  EXPECT_EQ(call->asks[0].kind, LedgerKind::kSplit);
  const int64_t wanted = call->asks[0].want;
  EXPECT_GE(wanted, 1);
  reply(*call, {.granted = wanted, .lives = seconds(10), .cap = 100});
  EXPECT_EQ(bank.most(), wanted);
  const limit::Taking taking = bank.take(2, 2, now());
  ASSERT_EQ(taking.amount, 2);
  // The heartbeat says what is in flight.
  for (call = nullptr; call == nullptr || call->asks.empty(); call = next()) {
    if (call != nullptr) reply(*call);
    tick();
  }
  EXPECT_EQ(call->asks[0].least, 2);
  EXPECT_EQ(call->asks[0].want, 3);
  EXPECT_EQ(bank.most(), 3);
  bank.give_back(taking, now());
  banks_->close(bank);
}

TEST_F(LedgerBookTest, a_lower_limit_elsewhere_is_told_once) {
  Bank& bank = open();
  come_up();
  for (int i = 0; i < 2; ++i) {
    ask(bank, 1);
    reply(*next(), {.granted = 1, .slot = 9, .lives = seconds(1), .remaining = 9, .most = 500});
    EXPECT_EQ(book_.take_differing().size(), i == 0 ? 1u : 0u);
  }
  EXPECT_EQ(book_.figures().terms_differ, 2u);
  banks_->close(bank);
}

}  // namespace
}  // namespace sluice::control
