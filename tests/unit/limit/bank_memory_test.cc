#include "bank_memory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <sluice/base/place_bank.h>
#include <sluice/limit/bank_table.h>

namespace sluice::limit {
namespace {

using Kind = BankTerms::Kind;

constexpr MonoTime kNow{seconds(1000)};
constexpr WallTime kWall{1'700'000'000'000'000};
const BankTerms kMinute{.kind = Kind::kRolling, .most = 200, .length = seconds(60)};
const BankTerms kInFlight{.kind = Kind::kConcurrent, .most = 40};

std::unique_ptr<BankTable> make(BankTable::Parts parts = {}) {
  parts.subjects_max = 256;
  parts.now = kNow;
  parts.wall = kWall;
  auto table = BankTable::make(parts);
  EXPECT_TRUE(table.has_value()) << table.error();
  return table ? std::move(*table) : nullptr;
}

std::unique_ptr<BankTable> share(const BankTable& table) {
  return make({.fd = ::dup(table.share_fd())});
}

std::string refusal(BankTable::Parts parts) {
  const auto table = BankTable::make(parts);
  return table ? "" : table.error();
}

// What the two processes of a test tell each other.
struct Board {
  std::atomic<int64_t> admitted{0};
  std::atomic<bool> has_begun{false};
};

class SharedBoard {
 public:
  SharedBoard() {
    void* const memory =
        mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    board_ = new (memory) Board;
  }
  ~SharedBoard() { munmap(board_, sizeof(Board)); }
  Board* operator->() { return board_; }
  Board& operator*() { return *board_; }

 private:
  Board* board_;
};

// A process that works until it is killed, or returns.
class Child {
 public:
  explicit Child(const std::function<void()>& work) : pid_(::fork()) {
    if (pid_ != 0) return;
    work();
    ::_exit(0);
  }
  ~Child() { kill(); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(std::exchange(pid_, -1), &status, 0) > 0, true);
    return status;
  }

 private:
  pid_t pid_;
};

TEST(BankMemory, two_tables_over_one_descriptor_have_the_same_banks) {
  const auto old = make();
  const auto heir = share(*old);
  ASSERT_NE(heir, nullptr);
  EXPECT_NE(old->seat().number(), heir->seat().number());
  EXPECT_TRUE(old->is_shared());
  const LimitTime now = old->clock().at(kNow);
  EXPECT_EQ(heir->clock().at(kNow), now);
  Bank* const of_old = old->open({1, 1}, kMinute);
  Bank* const of_heir = heir->open({1, 1}, kMinute);
  EXPECT_EQ(of_old->take(150, 1, now).amount, 150);
  EXPECT_EQ(of_heir->take(150, 1, now).amount, 50);
  EXPECT_EQ(of_old->take(1, 1, now).amount, 0);
  EXPECT_EQ(old->in_use(), 1u);
  // What one marks the other visits.
  old->mark(*of_old);
  int seen = 0;
  heir->visit_marked([&](Bank& bank) { seen += &bank == of_heir ? 1 : 0; });
  EXPECT_EQ(seen, 1);
  heir->set_ledger(BankTable::Ledger::kUp, 2);
  EXPECT_EQ(old->ledger(), BankTable::Ledger::kUp);
  EXPECT_EQ(of_old->source(), Bank::Source::kGranted);
}

TEST(BankMemory, a_bank_stays_while_either_has_it_open) {
  const auto old = make();
  auto heir = share(*old);
  const LimitTime now = old->clock().at(kNow);
  Bank* const of_old = old->open({1, 1}, kMinute);
  (void)heir->open({1, 1}, kMinute);
  old->close(*of_old);
  old->sweep(old->size(), now);
  EXPECT_NE(old->find({1, 1}), nullptr);
  // An end in order forgets what was open.
  heir.reset();
  EXPECT_FALSE(old->is_shared());
  old->sweep(old->size(), now);
  EXPECT_EQ(old->find({1, 1}), nullptr);
  EXPECT_EQ(old->in_use(), 0u);
}

TEST(BankMemory, what_is_in_flight_is_counted_over_both_and_goes_with_its_process) {
  const auto old = make();
  auto heir = share(*old);
  const LimitTime now = old->clock().at(kNow);
  Bank* const of_old = old->open({1, 1}, kInFlight);
  Bank* const of_heir = heir->open({1, 1}, kInFlight);
  const Taking taken = of_old->take(30, 1, now, old->seat());
  EXPECT_EQ(of_heir->take(30, 1, now, heir->seat()).amount, 10);
  EXPECT_EQ(of_heir->room(now), 0);
  of_old->give_back(taken, now);
  EXPECT_EQ(of_heir->used(now), 10);
  heir.reset();
  EXPECT_EQ(of_old->used(now), 0);
}

TEST(BankMemory, places_are_counted_over_both) {
  const auto old = make();
  const auto heir = share(*old);
  PlaceBank of_old(1, old->places(77));
  PlaceBank of_heir(1, heir->places(77));
  PlaceBank other(1, heir->places(78));
  of_old.set_most(2);
  of_heir.set_most(2);
  EXPECT_TRUE(of_old.try_take());
  EXPECT_TRUE(of_heir.try_take());
  EXPECT_FALSE(of_heir.try_take());
  EXPECT_EQ(other.in_use(), 0u);
  // One that comes free elsewhere is found by whoever looks.
  of_heir.publish_wait(ShardId{0}, kNow);
  EXPECT_FALSE(of_heir.hand_one());
  EXPECT_FALSE(of_old.give_back());
  EXPECT_EQ(of_heir.hand_one(), ShardId{0});
  EXPECT_EQ(of_old.in_use(), 2u);
}

TEST(BankMemory, more_names_than_there_is_room_for_are_counted_by_each_process) {
  const auto table = make();
  uint32_t shared = 0;
  for (uint64_t i = 1; i <= BankMemory::kPlacesMost + 10; ++i) {
    shared += table->places(i).word != nullptr ? 1 : 0;
  }
  EXPECT_EQ(shared, BankMemory::kPlacesMost);
}

TEST(BankMemory, a_fourth_process_is_refused) {
  const auto first = make();
  const auto second = share(*first);
  const auto third = share(*first);
  EXPECT_NE(refusal({.fd = ::dup(first->share_fd())}).find("three processes"), std::string::npos);
}

TEST(BankMemory, what_does_not_fit_is_refused_and_left_alone) {
  const int fd = memfd_create("other", MFD_CLOEXEC);
  const auto shared = [fd] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 0); };
  EXPECT_NE(refusal({.fd = shared()}).find("of another version"), std::string::npos);
  BankHead head{};
  head.magic = 0x6b6e'6162'6563'756c;
  head.version = 1;
  head.record_bytes = sizeof(Bank);
  head.sets = 4;
  const auto write = [&] { ASSERT_EQ(::pwrite(fd, &head, sizeof head, 0), ssize_t{sizeof head}); };
  write();
  EXPECT_NE(refusal({.fd = shared()}).find("of another version"), std::string::npos);
  head.version = 3;
  write();
  EXPECT_NE(refusal({.fd = shared()}).find("size is wrong"), std::string::npos);
  head.sets = uint64_t{1} << 60;
  write();
  EXPECT_NE(refusal({.fd = shared()}).find("of another version"), std::string::npos);
  ::close(fd);
  EXPECT_NE(refusal({.fd = fd}).find("cannot be looked at"), std::string::npos);
  const auto table = make();
  EXPECT_NE(refusal({.file = "/dev/null", .fd = ::dup(table->share_fd())}).find("bank_file"),
            std::string::npos);
}

// Both spend at once, and the predecessor is killed somewhere.
TEST(BankMemory, nobody_is_let_through_beyond_a_limit_by_two_processes_of_which_one_is_killed) {
  for (uint32_t seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    const auto table = make();
    const LimitTime now = table->clock().at(kNow);
    SharedBoard board;
    const auto spend = [&](BankTable& banks, std::mt19937& dice) {
      Bank* const minute = banks.open({1, 1}, kMinute);
      Bank* const flight = banks.open({1, 2}, kInFlight);
      if (minute == nullptr || flight == nullptr) return;
      const Taking in_flight = flight->take(1 + dice() % 3, 1, now, banks.seat());
      Taking lease = minute->take(1 + dice() % 4, 1, now);
      const int64_t used = lease.amount > 0 && dice() % 2 == 0 ? 1 : 0;
      board->admitted.fetch_add(used);
      lease.amount -= used;
      minute->give_back(lease, now);
      if (dice() % 4 != 0) flight->give_back(in_flight, now);
      banks.close(*minute);
      banks.close(*flight);
    };
    Child child([&] {
      const auto heir = share(*table);
      std::mt19937 dice(seed + 1000);
      for (;;) {
        spend(*heir, dice);
        board->has_begun.store(true);
      }
    });
    while (!board->has_begun.load()) sched_yield();
    std::mt19937 dice(seed + 2000);
    int64_t mine = 0;
    for (uint32_t i = random() % 2000; i > 0; --i) {
      Bank* const flight = table->open({1, 2}, kInFlight);
      ASSERT_NE(flight, nullptr);
      ASSERT_LE(flight->used(now), kInFlight.most);
      const Taking held = flight->take(1, 1, now, table->seat());
      mine += held.amount;
      table->close(*flight);
      Bank* const minute = table->open({1, 1}, kMinute);
      board->admitted.fetch_add(minute->take(1, 1, now).amount);
      table->close(*minute);
    }
    child.kill();
    ASSERT_TRUE(table->is_shared());
    table->recover();
    EXPECT_FALSE(table->is_shared());
    EXPECT_LE(board->admitted.load(), kMinute.most) << seed;
    Bank* const flight = table->open({1, 2}, kInFlight);
    ASSERT_NE(flight, nullptr) << seed;
    EXPECT_EQ(flight->used(now), mine) << seed;
    table->close(*flight);
    // Nobody has anything open any more, so all goes once it has returned.
    flight->give_back({.amount = mine, .slot = table->seat().number()}, now);
    table->sweep(table->size(), now);
    EXPECT_EQ(table->find({1, 2}), nullptr) << seed;
  }
}

// A successor that attaches forgets what its seat held; what the predecessor frees at that moment
// is the predecessor's.
TEST(BankMemory, a_process_that_attaches_leaves_a_sweep_of_the_other_one_alone) {
  constexpr uint64_t kSubjects = 64;
  const auto table = make();
  const LimitTime now = table->clock().at(kNow);
  SharedBoard board;
  Child child([&] {
    const auto heir = share(*table);
    while (board->admitted.load() == 0) {
      for (uint64_t subject = 0; subject < kSubjects; ++subject) {
        Bank* const bank = heir->open({1, subject}, kMinute);
        if (bank != nullptr) heir->close(*bank);
      }
      heir->sweep(heir->size(), now);
      board->has_begun.store(true);
    }
  });
  while (!board->has_begun.load()) sched_yield();
  for (int i = 0; i < 10'000; ++i) ASSERT_NE(share(*table), nullptr);
  board->admitted.store(1);
  EXPECT_EQ(child.wait(), 0);
  for (uint64_t subject = 0; subject < kSubjects; ++subject) {
    Bank* const bank = table->open({1, subject}, kMinute);
    ASSERT_NE(bank, nullptr) << subject;
    table->close(*bank);
  }
  table->sweep(table->size(), now);
  EXPECT_EQ(table->in_use(), 0u);
}

TEST(BankMemory, a_process_that_lives_is_not_forgotten_and_one_that_ended_is) {
  const auto table = make();
  const LimitTime now = table->clock().at(kNow);
  SharedBoard board;
  Child child([&] {
    const auto heir = share(*table);
    (void)heir->open({1, 1}, kInFlight)->take(5, 1, now, heir->seat());
    board->has_begun.store(true);
    for (;;) ::pause();
  });
  while (!board->has_begun.load()) sched_yield();
  table->recover();
  EXPECT_EQ(table->find({1, 1})->used(now), 5);
  child.kill();
  table->recover();
  EXPECT_EQ(table->find({1, 1})->used(now), 0);
  // Its seat is free again.
  const auto second = share(*table);
  const auto third = share(*table);
  EXPECT_NE(third, nullptr);
}

}  // namespace
}  // namespace sluice::limit
