#include <sluice/control/ledger_book.h>

#include <unistd.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using limit::Bank;
using limit::BankTable;
using limit::BankTerms;
using State = LedgerBook::State;

constexpr size_t kPlenty = BankTable::kNoteBytes;

// A predecessor and its successor over one table.
class LedgerNoteTest : public testing::Test {
 protected:
  LedgerNoteTest()
      : banks_(*BankTable::make({.subjects_max = 64, .wall = {1'700'000'000'000'000}})),
        heir_banks_(*BankTable::make({.fd = ::dup(banks_->share_fd())})),
        old_(LedgerBook::Parts{.banks = *banks_, .gateways = 2, .tick = milliseconds(20)}) {}

  limit::LimitTime now() const { return banks_->clock().at(mono_); }
  Bank& open(uint64_t subject, BankTerms::Kind kind, int64_t most = 1000) {
    return *banks_->open(
        {1, subject}, {.kind = kind,
                       .most = most,
                       .length = kind == BankTerms::Kind::kConcurrent ? microseconds(0)
                                                                      : microseconds(seconds(60))});
  }
  void ask(Bank& bank, int64_t amount) {
    bank.ask(amount);
    banks_->mark(bank);
    banks_->ask(ShardId{3});
    old_.look(now());
  }
  void reply(LedgerBook& book, const LedgerCall& call, const LedgerAnswer& answer = {}) {
    LedgerReply reply;
    reply.answers.resize(call.asks.size(), answer);
    for (LedgerAnswer& one : reply.answers) {
      one.is_answered = true;
      one.most = call.asks[0].most;
    }
    reply.buckets.fill({.is_answered = true, .since = 77});
    book.on_reply(call.lane, reply, now());
  }
  void come_up() {
    for (int i = 0; i < 3 && old_.state() != State::kUp; ++i) reply(old_, *old_.next_call(now()));
    ASSERT_EQ(old_.state(), State::kUp);
  }
  // Of what is in use, what it says.
  LedgerBook heir(std::string_view note, uint32_t gateways = 2) {
    return LedgerBook({.banks = *heir_banks_, .gateways = gateways, .tick = milliseconds(20)},
                      note);
  }

  MonoTime mono_{seconds(5)};
  std::unique_ptr<BankTable> banks_;
  std::unique_ptr<BankTable> heir_banks_;
  LedgerBook old_;
};

TEST_F(LedgerNoteTest, a_successor_is_up_at_once_and_asks_behind_the_last_call) {
  come_up();
  Bank& bank = open(2, BankTerms::Kind::kRolling);
  ask(bank, 3);
  const LedgerCall* const asked = old_.next_call(now());
  ASSERT_NE(asked, nullptr);
  const uint64_t batch = asked->batch;
  reply(old_, *asked, {.granted = 9, .slot = 4, .lives = milliseconds(900), .remaining = 50});
  LedgerBook heir = this->heir(old_.leave(kPlenty));
  EXPECT_TRUE(heir.was_restored());
  EXPECT_EQ(heir.state(), State::kUp);
  EXPECT_EQ(heir_banks_->ledger(), BankTable::Ledger::kUp);
  EXPECT_EQ(bank.credit(now()), 9);
  // What stays unused goes back to the slot that it came from.
  for (int i = 0; i < 4; ++i) {
    mono_ += milliseconds(20);
    heir.tick(now());
  }
  const LedgerCall* const next = heir.next_call(now());
  ASSERT_NE(next, nullptr);
  EXPECT_GT(next->batch, batch);
  EXPECT_EQ(next->since[0], 77);
  ASSERT_EQ(next->asks.size(), 1u);
  EXPECT_EQ(next->asks[0].returned, 9);
  EXPECT_EQ(next->asks[0].return_slot, 4);
}

TEST_F(LedgerNoteTest, a_part_is_kept) {
  come_up();
  Bank& bank = open(2, BankTerms::Kind::kConcurrent, 40);
  ask(bank, 1);
  reply(old_, *old_.next_call(now()), {.granted = 12, .cap = 20});
  ASSERT_EQ(bank.take(8, 8, now(), banks_->seat()).amount, 8);
  LedgerBook heir = this->heir(old_.leave(kPlenty));
  EXPECT_EQ(bank.most(), 12);
  mono_ += milliseconds(1500);
  heir.tick(now());
  const LedgerCall* const next = heir.next_call(now());
  ASSERT_NE(next, nullptr);
  ASSERT_EQ(next->asks.size(), 1u);
  EXPECT_EQ(next->asks[0].want, 12);
}

TEST_F(LedgerNoteTest, what_was_not_said_is_said_by_the_successor) {
  come_up();
  Bank& bank = open(2, BankTerms::Kind::kRolling);
  bank.owe(5, now());
  ask(bank, 7);
  // The call gets lost.
  const LedgerCall* const lost = old_.next_call(now());
  ASSERT_NE(lost, nullptr);
  ASSERT_EQ(lost->asks[0].owed, 5);
  old_.on_loss(lost->lane, now());
  bank.owe(2, now());
  LedgerBook heir = this->heir(old_.leave(kPlenty));
  EXPECT_EQ(heir.state(), State::kLost);
  int64_t owed = 0;
  for (int i = 0; i < 6 && heir.state() != State::kUp; ++i) {
    mono_ += milliseconds(200);
    heir.tick(now());
    const LedgerCall* const call = heir.next_call(now());
    ASSERT_NE(call, nullptr);
    for (const LedgerAsk& one : call->asks) owed += one.owed;
    reply(heir, *call);
  }
  EXPECT_EQ(heir.state(), State::kUp);
  EXPECT_EQ(owed, 7);
}

TEST_F(LedgerNoteTest, what_finds_no_room_waits_for_the_ledger) {
  come_up();
  Bank& bank = open(2, BankTerms::Kind::kConcurrent, 40);
  ask(bank, 1);
  reply(old_, *old_.next_call(now()), {.granted = 12, .cap = 20});
  const std::string note = old_.leave(400);
  EXPECT_LE(note.size(), 400u);
  EXPECT_EQ(bank.most(), 0);
  EXPECT_TRUE(heir(note).was_restored());
}

TEST_F(LedgerNoteTest, a_note_that_is_cut_or_for_others_is_none) {
  come_up();
  (void)open(2, BankTerms::Kind::kRolling);
  const std::string note = old_.leave(kPlenty);
  EXPECT_FALSE(heir(note, 3).was_restored());
  EXPECT_EQ(heir_banks_->ledger(), BankTable::Ledger::kLost);
  for (size_t size = 0; size < 30; ++size) {
    EXPECT_FALSE(heir(std::string_view(note).substr(0, size)).was_restored()) << size;
  }
  for (size_t i = 0; i < 4; ++i) {
    std::string other = note;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_FALSE(heir(other).was_restored());
  }
}

}  // namespace
}  // namespace sluice::control
