// What a bank promises: never more than its limit in any interval, and everything given back in
// time is there again.
#include <sluice/limit/bank.h>

#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "../../support/prng.h"

namespace sluice::limit {
namespace {

using Kind = BankTerms::Kind;
constexpr LimitTime kStart{microseconds(1'700'000'000'000'000)};

BankTerms rolling(int64_t most, microseconds length = seconds(60)) {
  return {.kind = Kind::kRolling, .most = most, .length = length};
}

std::unique_ptr<Bank> make(const BankTerms& terms) {
  auto bank = std::make_unique<Bank>();
  bank->set_terms(terms);
  return bank;
}

int64_t spend_all(Bank& bank, LimitTime now) {
  int64_t sum = 0;
  while (const int64_t got = bank.take(1, 1, now).amount) sum += got;
  return sum;
}

TEST(Bank, gives_the_whole_limit_at_once_and_no_more) {
  const auto bank = make(rolling(100));
  EXPECT_EQ(spend_all(*bank, kStart), 100);
  EXPECT_EQ(bank->room(kStart), 0);
  EXPECT_EQ(spend_all(*bank, kStart + seconds(59)), 0);
}

TEST(Bank, gives_it_again_one_length_after_the_slot_has_ended) {
  const auto bank = make(rolling(100));
  (void)spend_all(*bank, kStart);
  const microseconds wait = bank->time_until(1, kStart);
  EXPECT_GT(wait, seconds(60));
  EXPECT_LE(wait, seconds(60) + microseconds(60'000'000 / 64) + Bank::kTurnSlack);
  EXPECT_EQ(spend_all(*bank, kStart + wait - microseconds(1)), 0);
  EXPECT_EQ(spend_all(*bank, kStart + wait), 100);
  EXPECT_EQ(bank->time_until_whole(kStart + wait), bank->time_until(100, kStart + wait));
}

TEST(Bank, forgives_what_counts_but_not_what_is_in_flight) {
  const auto bank = make(rolling(100));
  (void)spend_all(*bank, kStart);
  bank->forgive(kStart + seconds(1));
  EXPECT_EQ(bank->used(kStart + seconds(1)), 0);
  EXPECT_EQ(spend_all(*bank, kStart + seconds(1)), 100);
  EXPECT_EQ(spend_all(*bank, kStart + seconds(59)), 0);

  const auto spaced = make({.kind = Kind::kSpaced, .burst = 2, .most = 60, .length = seconds(60)});
  EXPECT_EQ(spend_all(*spaced, kStart), 2);
  spaced->forgive(kStart);
  EXPECT_EQ(spend_all(*spaced, kStart), 2);

  const auto places = make({.kind = Kind::kConcurrent, .most = 3});
  const Taking taking = places->take(3, 3, kStart);
  places->forgive(kStart);
  EXPECT_EQ(places->room(kStart), 0);
  places->give_back(taking, kStart);
  EXPECT_EQ(places->room(kStart), 3);
}

TEST(Bank, takes_what_is_left_but_not_less_than_the_least) {
  const auto bank = make(rolling(10));
  EXPECT_EQ(bank->take(7, 7, kStart).amount, 7);
  EXPECT_EQ(bank->take(7, 5, kStart).amount, 0);
  EXPECT_EQ(bank->take(7, 3, kStart).amount, 3);
}

TEST(Bank, what_is_given_back_can_be_taken_again) {
  const auto bank = make(rolling(10));
  Taking taking = bank->take(10, 1, kStart);
  taking.amount = 4;
  bank->give_back(taking, kStart + seconds(1));
  EXPECT_EQ(bank->room(kStart + seconds(1)), 4);
}

TEST(Bank, what_is_given_back_after_it_has_returned_counts_once) {
  const auto bank = make(rolling(10));
  const Taking taking = bank->take(10, 1, kStart);
  const LimitTime later = kStart + seconds(120);
  EXPECT_EQ(bank->room(later), 10);
  bank->give_back(taking, later);
  EXPECT_EQ(bank->room(later), 10);
}

TEST(Bank, debt_counts_although_there_is_no_room) {
  const auto bank = make(rolling(10));
  bank->owe(25, kStart);
  EXPECT_EQ(bank->used(kStart), 25);
  EXPECT_EQ(bank->take(1, 1, kStart).amount, 0);
  EXPECT_EQ(bank->room(kStart + seconds(62)), 10);
}

TEST(Bank, a_lower_limit_counts_at_once_and_forgets_nothing) {
  const auto bank = make(rolling(100));
  EXPECT_EQ(bank->take(50, 50, kStart).amount, 50);
  bank->set_terms(rolling(40));
  EXPECT_EQ(bank->take(1, 1, kStart).amount, 0);
  bank->set_terms(rolling(60));
  EXPECT_EQ(spend_all(*bank, kStart), 10);
}

TEST(Bank, a_calendar_window_begins_anew_at_midnight) {
  const auto bank = make({.kind = Kind::kCalendar, .window = config::LimitWindow::kDay, .most = 5});
  EXPECT_EQ(spend_all(*bank, kStart), 5);
  const microseconds wait = bank->time_until(1, kStart);
  EXPECT_EQ((kStart + wait).time_since_epoch().count() % 86'400'000'000, 0);
  EXPECT_EQ(spend_all(*bank, kStart + wait - microseconds(1)), 0);
  EXPECT_EQ(spend_all(*bank, kStart + wait), 5);
}

TEST(Bank, spaced_ones_come_in_a_burst_and_then_evenly) {
  const auto bank = make({.kind = Kind::kSpaced, .burst = 3, .most = 60, .length = seconds(60)});
  EXPECT_EQ(spend_all(*bank, kStart), 3);
  EXPECT_EQ(bank->time_until(1, kStart), seconds(1));
  EXPECT_EQ(spend_all(*bank, kStart + milliseconds(999)), 0);
  EXPECT_EQ(spend_all(*bank, kStart + seconds(1)), 1);
  EXPECT_EQ(spend_all(*bank, kStart + seconds(3)), 2);
}

TEST(Bank, requests_in_flight_are_counted_until_they_are_given_back) {
  const auto bank = make({.kind = Kind::kConcurrent, .most = 2});
  const Taking first = bank->take(1, 1, kStart);
  (void)bank->take(1, 1, kStart);
  EXPECT_EQ(bank->take(1, 1, kStart + seconds(1000)).amount, 0);
  bank->give_back(first, kStart);
  EXPECT_EQ(bank->take(1, 1, kStart).amount, 1);
}

TEST(Bank, credit_is_what_may_be_taken_until_it_ends) {
  const auto bank = make(rolling(1000));
  bank->set_source(Bank::Source::kGranted);
  EXPECT_EQ(bank->take(1, 1, kStart).amount, 0);
  const LimitTime end = kStart + milliseconds(900);
  EXPECT_EQ(bank->add_credit(20, end), 0);
  const Taking taking = bank->take(15, 1, kStart);
  EXPECT_EQ(taking.amount, 15);
  EXPECT_EQ(taking.dies_at, end);
  EXPECT_EQ(bank->take(15, 1, kStart).amount, 5);
  bank->give_back({.amount = 6, .slot = taking.slot, .dies_at = taking.dies_at}, kStart);
  EXPECT_EQ(bank->credit(kStart), 6);
  EXPECT_EQ(bank->add_credit(10, end + seconds(1)), 6) << "what was left of the earlier one";
  EXPECT_EQ(bank->credit(kStart), 10);
  EXPECT_EQ(bank->credit(end + seconds(1)), 0);
}

TEST(Bank, what_is_used_without_credit_is_owed_to_the_ledger) {
  const auto bank = make(rolling(1000));
  bank->set_source(Bank::Source::kGranted);
  (void)bank->add_credit(5, kStart + seconds(1));
  bank->owe(12, kStart);
  EXPECT_EQ(bank->credit(kStart), 0);
  EXPECT_EQ(bank->take_owed(kStart), 7);
  EXPECT_EQ(bank->take_owed(kStart), 0);
  bank->set_source(Bank::Source::kOwed);
  (void)bank->take(30, 30, kStart);
  EXPECT_EQ(bank->take_owed(kStart), 30);
}

TEST(Bank, tells_what_was_not_used_when_the_first_was_refused) {
  const auto bank = make(rolling(100));
  Taking taking = bank->take(100, 100, kStart);
  bank->note_refusal(kStart);
  taking.amount = 3;
  bank->give_back(taking, kStart);
  EXPECT_EQ(bank->take_undershoot(kStart), std::nullopt);
  EXPECT_DOUBLE_EQ(bank->take_undershoot(kStart + seconds(3)).value_or(-1), 0.03);
  EXPECT_EQ(bank->take_undershoot(kStart + seconds(4)), std::nullopt);
}

// --- the promise, under random use --------------------------------------------------------------

struct Spend {
  LimitTime at;
  int64_t amount;
};

// Some shards with leases, whose clocks are apart by up to the slack; each spends from its lease
// until that dies, gives back what it does not want, and owes nothing. No interval of the length
// may see more than the limit.
void hammer(uint64_t seed) {
  support::Prng random(seed);
  const auto most = static_cast<int64_t>(1 + random.below(random.chance(500) ? 20 : 5000));
  const microseconds length(random.chance(300) ? 1'000'000 : 60'000'000);
  const auto bank = make(rolling(most, length));
  std::vector<Taking> leases(1 + random.below(16));
  std::deque<Spend> spends;
  int64_t sum = 0;
  LimitTime now = kStart + microseconds(random.below(1'000'000));
  for (int step = 0; step < 2000; ++step) {
    now += microseconds(random.below(static_cast<uint64_t>(length.count()) / 100));
    Taking& lease = leases[random.below(leases.size())];
    // A spend happens at `now`, though the shard may still believe it is a little earlier.
    const LimitTime seen = now - microseconds(random.below(2000));
    if (seen >= lease.dies_at || random.chance(50)) {
      bank->give_back(lease, seen);
      lease = {};
    }
    if (lease.amount == 0) {
      lease = bank->take(static_cast<int64_t>(1 + random.below(64)), 1, seen);
    }
    if (lease.amount == 0) continue;
    const auto amount = static_cast<int64_t>(1 + random.below(static_cast<uint64_t>(lease.amount)));
    lease.amount -= amount;
    spends.insert(std::ranges::upper_bound(spends, seen, {}, &Spend::at), {seen, amount});
    sum += amount;
    while (spends.back().at - spends.front().at >= length) {
      sum -= spends.front().amount;
      spends.pop_front();
    }
    ASSERT_LE(sum, most) << "seed " << seed << " step " << step;
  }
}

TEST(Bank, no_interval_sees_more_than_the_limit) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    hammer(seed);
    if (HasFatalFailure()) return;
  }
}

TEST(Bank, loses_nothing_between_threads) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20'000;
  const auto bank = make(rolling(1000));
  std::atomic<int64_t> held{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&bank, &held, i] {
      support::Prng random(static_cast<uint64_t>(i) + 1);
      for (int round = 0; round < kRounds; ++round) {
        // Slots come and go beneath them.
        const LimitTime now = kStart + milliseconds(round * 10);
        const Taking taking = bank->take(static_cast<int64_t>(1 + random.below(200)), 1, now);
        if (taking.amount == 0) continue;
        EXPECT_LE(held.fetch_add(taking.amount) + taking.amount, 1000);
        held.fetch_sub(taking.amount);
        bank->give_back(taking, now);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(bank->used(kStart + seconds(100'000)), 0);
}

}  // namespace
}  // namespace sluice::limit
