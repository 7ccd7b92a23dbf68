#include <sluice/limit/bank_table.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::limit {
namespace {

using Kind = BankTerms::Kind;
using Ledger = BankTable::Ledger;

constexpr MonoTime kTableNow{seconds(1000)};
constexpr WallTime kTableWall{1'700'000'000'000'000};
const BankTerms kTenAMinute{.kind = Kind::kRolling, .most = 10, .length = seconds(60)};

std::unique_ptr<BankTable> make(uint32_t subjects_max, const std::string& file = "",
                                MonoTime now = kTableNow) {
  auto table =
      BankTable::make({.subjects_max = subjects_max, .file = file, .now = now, .wall = kTableWall});
  EXPECT_TRUE(table.has_value()) << table.error();
  return table ? std::move(*table) : nullptr;
}

struct TempFile {
  TempFile() {
    char name[] = "/tmp/sluice-bank-XXXXXX";
    const int fd = mkstemp(name);
    EXPECT_GE(fd, 0);
    ::close(fd);
    path = name;
  }
  ~TempFile() { std::filesystem::remove(path); }
  std::string path;
};

TEST(BankTable, gives_each_key_a_bank_of_its_own_and_always_the_same) {
  const auto table = make(1000);
  std::set<Bank*> banks;
  for (uint64_t i = 0; i < 1000; ++i) {
    Bank* const bank = table->open({1, i}, kTenAMinute);
    EXPECT_EQ(table->open({1, i}, kTenAMinute), bank);
    EXPECT_EQ(bank->key(), (BankKey{1, i}));
    banks.insert(bank);
  }
  EXPECT_EQ(banks.size(), 1000u);
  EXPECT_EQ(table->in_use(), 1000u);
}

TEST(BankTable, D096_frees_what_is_idle_and_keeps_what_counts) {
  const auto table = make(100);
  const LimitTime now = table->clock().at(kTableNow);
  Bank* const idle = table->open({1, 1}, kTenAMinute);
  Bank* const open = table->open({1, 2}, kTenAMinute);
  Bank* const used = table->open({1, 3}, kTenAMinute);
  (void)used->take(1, 1, now);
  table->close(*idle);
  table->close(*used);
  table->sweep(table->size(), now);
  EXPECT_EQ(table->find({1, 1}), nullptr);
  EXPECT_EQ(table->find({1, 2}), open);
  EXPECT_EQ(table->find({1, 3}), used);
  table->sweep(table->size(), now + seconds(62));
  EXPECT_EQ(table->find({1, 3}), nullptr);
  EXPECT_EQ(table->in_use(), 1u);
}

TEST(BankTable, D139_holds_as_many_subjects_as_it_was_made_for_and_no_more) {
  const auto table = make(1024);
  uint32_t opened = 0;
  for (uint64_t i = 0; i < 10'000; ++i)
    opened += table->open({1, i}, kTenAMinute) != nullptr ? 1 : 0;
  EXPECT_GE(opened, 1024u);
  EXPECT_LE(opened, table->size());
  EXPECT_EQ(table->in_use(), opened);
}

TEST(BankTable, makes_one_bank_of_a_key_that_all_threads_open_at_once) {
  constexpr int kThreads = 4;
  const auto table = make(4096);
  const LimitTime now = table->clock().at(kTableNow);
  std::atomic<int> ready{0};
  std::vector<std::vector<Bank*>> opened(kThreads);
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      ready.fetch_add(1);
      while (ready.load() < kThreads) {
      }
      for (uint64_t key = 0; key < 4096; ++key) {
        opened[i].push_back(table->open({7, key}, kTenAMinute));
        ASSERT_NE(opened[i].back(), nullptr);
      }
      for (Bank* bank : opened[i]) {
        (void)bank->take(3, 1, now);
        table->close(*bank);
      }
    });
  }
  threads.clear();
  for (uint64_t key = 0; key < 4096; ++key) {
    for (int i = 1; i < kThreads; ++i) ASSERT_EQ(opened[i][key], opened[0][key]) << key;
    ASSERT_EQ(opened[0][key]->used(now), 10);
  }
}

// Memory that is touched for the first time, as at a start: the kernel makes each page then.
TEST(BankTable, two_shards_that_meet_at_a_new_key_both_get_its_bank) {
  constexpr uint64_t kKeys = 4'000;
  const auto table = make(4 * kKeys);
  std::atomic<uint64_t> arrived{0};
  std::atomic<uint64_t> missed{0};
  const auto open_all = [&] {
    for (uint64_t key = 0; key < kKeys; ++key) {
      arrived.fetch_add(1);
      while (arrived.load() < 2 * (key + 1)) std::this_thread::yield();
      if (table->open({7, key}, kTenAMinute) == nullptr) missed.fetch_add(1);
    }
  };
  {
    const std::jthread one(open_all);
    const std::jthread other(open_all);
  }
  EXPECT_EQ(missed.load(), 0u);
  EXPECT_EQ(table->in_use(), kKeys);
}

TEST(BankTable, survives_opening_and_sweeping_at_once) {
  const auto table = make(64);
  std::atomic<bool> is_over{false};
  const LimitTime now = table->clock().at(kTableNow);
  std::jthread sweeper([&] {
    while (!is_over.load()) table->sweep(table->size(), now);
  });
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (uint64_t round = 0; round < 20'000; ++round) {
        const BankKey key{1, (round * 7 + static_cast<uint64_t>(i)) % 50};
        Bank* const bank = table->open(key, kTenAMinute);
        if (bank == nullptr) continue;
        const Taking taking = bank->take(1, 1, now);
        bank->give_back(taking, now);
        table->close(*bank);
      }
    });
  }
  threads.clear();
  is_over.store(true);
  sweeper.join();
  table->sweep(table->size(), now);
  EXPECT_EQ(table->in_use(), 0u);
}

TEST(BankTable, visits_what_was_marked_once) {
  const auto table = make(100);
  Bank* const bank = table->open({1, 1}, kTenAMinute);
  (void)table->open({1, 2}, kTenAMinute);
  table->mark(*bank);
  table->mark(*bank);
  std::vector<Bank*> seen;
  table->visit_marked([&](Bank& marked) { seen.push_back(&marked); });
  EXPECT_EQ(seen, std::vector<Bank*>{bank});
  table->visit_marked([&](Bank&) { ADD_FAILURE(); });
}

TEST(BankTable, a_ledger_decides_what_may_be_taken) {
  const auto table = make(100);
  const LimitTime now = table->clock().at(kTableNow);
  const BankTerms second{.kind = Kind::kRolling, .most = 10, .length = seconds(1)};
  Bank* const minute = table->open({1, 1}, kTenAMinute);
  Bank* const short_one = table->open({1, 2}, second);
  table->set_ledger(Ledger::kUp, 4);
  EXPECT_EQ(minute->take(1, 1, now).amount, 0);
  EXPECT_EQ(short_one->take(1, 1, now).amount, 0);
  EXPECT_EQ(table->open({1, 3}, kTenAMinute)->take(1, 1, now).amount, 0);
  table->set_ledger(Ledger::kLost, 4);
  EXPECT_EQ(minute->take(100, 1, now).amount, 2);
  EXPECT_EQ(short_one->take(100, 1, now).amount, 2);
  EXPECT_EQ(minute->take_owed(now), 2);
  BankTerms denied = kTenAMinute;
  denied.on_loss = config::OnLoss::kDeny;
  EXPECT_EQ(table->open({1, 4}, denied)->take(1, 1, now).amount, 0);
  BankTerms local = kTenAMinute;
  local.on_loss = config::OnLoss::kLocal;
  EXPECT_EQ(table->open({1, 5}, local)->take(100, 1, now).amount, 10);
}

TEST(BankTable, a_file_keeps_the_counts) {
  const TempFile file;
  {
    const auto table = make(100, file.path);
    EXPECT_FALSE(table->was_found());
    const LimitTime now = table->clock().at(kTableNow);
    (void)table->open({1, 1}, kTenAMinute)->take(7, 7, now);
    (void)table->open({1, 2}, {.kind = Kind::kConcurrent, .most = 3})->take(3, 3, now);
    table->note_time(now);
  }
  // Another process begins, on a machine that began anew, with a wall clock that went back.
  const auto table = make(100, file.path, MonoTime(seconds(5)));
  EXPECT_TRUE(table->was_found());
  const LimitTime now = table->clock().at(MonoTime(seconds(5)));
  EXPECT_EQ(table->open({1, 1}, kTenAMinute)->take(100, 1, now).amount, 3);
  EXPECT_EQ(table->open({1, 2}, {.kind = Kind::kConcurrent, .most = 3})->used(now), 0);
}

TEST(BankTable, a_file_is_one_process_s) {
  const TempFile file;
  const auto table = make(100, file.path);
  const auto second = BankTable::make(
      {.subjects_max = 100, .file = file.path, .now = kTableNow, .wall = kTableWall});
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().find("is used by another process"), std::string::npos);
}

TEST(BankTable, a_file_that_cannot_be_is_refused_with_a_remedy) {
  const auto table = BankTable::make(
      {.subjects_max = 100, .file = "/nowhere/at/all", .now = kTableNow, .wall = kTableWall});
  ASSERT_FALSE(table.has_value());
  EXPECT_EQ(table.error(),
            "limits.bank_file /nowhere/at/all: cannot be opened: No such file or directory; give a "
            "file in a directory that Sluice may write");
}

}  // namespace
}  // namespace sluice::limit
