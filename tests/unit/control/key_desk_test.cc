#include <sluice/control/key_desk.h>

#include <array>
#include <atomic>
#include <deque>
#include <latch>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <sluice/control/key_service.h>
#include <sluice/control/run_to_end.h>
#include <sluice/io/syscalls.h>
#include <sluice/io/uring_kernel.h>

#include "../store/sqlite_folder.h"

#include "kept_lines.h"

namespace sluice::control {
namespace {

using auth::DirectoryChange;

class HandClock final : public Clock {
 public:
  [[nodiscard]] MonoTime now() noexcept override { return now_; }
  [[nodiscard]] WallTime wall() noexcept override { return {1'000'000}; }
  void advance(Duration by) noexcept { now_ += by; }

 private:
  MonoTime now_{seconds(1000)};
};

crypto::Digest digest_of(uint64_t number) { return crypto::sha256(std::to_string(number)); }

auth::KeyRecord key_of(uint64_t number, bool is_blocked = false) {
  auth::KeyRecord key;
  key.id = "key_" + std::to_string(number);
  key.digest = digest_of(number);
  key.is_blocked = is_blocked;
  return key;
}

// Keys from `first` on.
DirectoryChange keys_from(uint64_t first, uint64_t count, bool is_blocked = false) {
  DirectoryChange change;
  for (uint64_t i = 0; i < count; ++i) change.keys.push_back(key_of(first + i, is_blocked));
  return change;
}

// Looks in what it was told last, and acknowledges when the test says so.
struct FakeShard {
  KeyCommands commands{64};
  KeyReports reports{256};
  auth::Directory directory;

  void listen() {
    while (const auto command = commands.pop()) {
      directory = std::get<auth::AdoptDirectory>(*command).directory;
    }
  }
};

// One call, from outside.
struct Call {
  bool is_done = false;
  std::expected<void, std::string> outcome;
};

class KeyDeskTest : public testing::Test, public io::TurnHook {
 protected:
  static constexpr uint32_t kShards = 3;

  KeyDeskTest() {
    for (uint32_t i = 0; i < kShards; ++i) {
      ports_.emplace_back(ShardId{i}, shards_[i].commands, shards_[i].reports);
    }
    service_.emplace(KeyService::Parts{ring_, returns_, registry_, log_, ports_});
    ring_.set_hook(*this);
  }
  ~KeyDeskTest() override {
    bool is_over = false;
    io::start_detached(end_into(&is_over));
    while (!is_over) ring_.turn(false);
    ring_.clear_hook();
  }

  [[nodiscard]] bool has_work() const noexcept override {
    return const_cast<io::OffloadReturns&>(returns_).has_work() || service_->has_work();
  }
  void run() override {
    returns_.run();
    service_->run();
  }

  KeyDesk& desk() { return service_->desk(); }
  void start(uint64_t keys) {
    auth::DirectoryBuilder builder;
    for (uint64_t i = 0; i < keys; ++i) builder.add(key_of(i));
    desk().start(builder.finish());
    for (uint32_t i = 0; i < kShards; ++i) adopt(i);
  }
  // The shard takes what it was sent, and says so.
  void adopt(uint32_t shard) {
    shards_[shard].listen();
    desk().on_adopted(ShardId{shard}, shards_[shard].directory.version());
  }
  void adopt_all() {
    for (uint32_t i = 0; i < kShards; ++i) adopt(i);
  }
  Call& put(KeyDesk::Change change) {
    Call& call = calls_.emplace_back();
    io::start_detached(put_into(&call, std::move(change)));
    return call;
  }
  Call& put(DirectoryChange change) {
    return put([change = std::move(change)] { return change; });
  }
  Task<void> put_into(Call* call, KeyDesk::Change change) {
    call->outcome = co_await desk().put_in_force(std::move(change));
    call->is_done = true;
  }
  Task<void> run_into(Call* call, KeyDesk::Job job) {
    call->outcome = co_await desk().run(std::move(job));
    call->is_done = true;
  }
  Task<void> end_into(bool* is_over) {
    co_await service_->end();
    *is_over = true;
  }
  void turn(int times = 5) {
    for (int i = 0; i < times; ++i) ring_.turn(false);
  }
  void turn_until_version(uint64_t version) {
    while (desk().present().version() < version) ring_.turn(false);
    turn();
  }
  bool is_blocked(const auth::Directory& directory, uint64_t number) {
    const auto found = directory.find(digest_of(number));
    return found && found->is_blocked;
  }
  metrics::ControlCells& cells() { return registry_.control(); }

  std::unique_ptr<io::Kernel> kernel_ = std::move(*io::open_uring_kernel({.buffers_most = 64}));
  io::SystemSyscalls syscalls_;
  HandClock clock_;
  io::Ring ring_{*kernel_, syscalls_, clock_, {.hot = 16, .most = 64}};
  io::OffloadReturns returns_{ring_};
  metrics::Registry registry_{kShards};
  support::KeptLines log_;
  std::array<FakeShard, kShards> shards_;
  std::vector<KeyPort> ports_;
  std::deque<Call> calls_;
  std::optional<KeyService> service_;
};

TEST_F(KeyDeskTest, without_a_store_nothing_runs) {
  Call& call = put(keys_from(0, 1));
  EXPECT_TRUE(call.is_done);
  EXPECT_NE(call.outcome.error().find("store.path"), std::string::npos);
  EXPECT_FALSE(desk().has_store());
  EXPECT_TRUE(desk().present().is_empty());
}

TEST_F(KeyDeskTest, the_first_directory_waits_for_each_shard) {
  start(2);
  for (FakeShard& shard : shards_) {
    EXPECT_EQ(shard.directory.version(), 1u);
    EXPECT_TRUE(shard.directory.find(digest_of(1)));
  }
  EXPECT_EQ(cells().directory_keys.value(), 2);
  EXPECT_GT(cells().directory_bytes.value(), 0);
}

TEST_F(KeyDeskTest, d005_a_change_is_in_force_on_every_shard_when_its_call_returns) {
  start(2);
  Call& call = put(keys_from(1, 1, true));
  turn_until_version(2);
  for (const uint32_t shard : {2u, 0u}) {
    adopt(shard);
    turn();
    EXPECT_FALSE(call.is_done);
  }
  EXPECT_FALSE(is_blocked(shards_[1].directory, 1));
  adopt(1);
  turn();
  ASSERT_TRUE(call.is_done);
  EXPECT_TRUE(call.outcome);
  for (FakeShard& shard : shards_) EXPECT_TRUE(is_blocked(shard.directory, 1));
  EXPECT_EQ(cells().directory_changes.value(), 1u);
}

TEST_F(KeyDeskTest, d005_shards_that_skip_a_version_acknowledge_it_with_the_next) {
  start(2);
  Call& first = put(keys_from(0, 1, true));
  Call& second = put(keys_from(1, 1, true));
  turn_until_version(3);
  // Shard 0 knows of the first change only, the others of both.
  const auto command = shards_[0].commands.pop();
  EXPECT_EQ(std::get<auth::AdoptDirectory>(*command).directory.version(), 2u);
  desk().on_adopted(ShardId{0}, 2);
  adopt(1);
  adopt(2);
  turn();
  EXPECT_TRUE(first.is_done);
  EXPECT_FALSE(second.is_done);
  // One that comes again, and late, takes nothing back.
  desk().on_adopted(ShardId{1}, 2);
  adopt(0);
  turn();
  EXPECT_TRUE(second.is_done);
}

TEST_F(KeyDeskTest, d005_a_shard_that_ends_is_not_waited_for) {
  start(2);
  Call& call = put(keys_from(1, 1, true));
  turn_until_version(2);
  adopt(0);
  adopt(2);
  const auth::Directory last_seen = shards_[1].directory;
  desk().on_shard_end(ShardId{1});
  turn();
  EXPECT_TRUE(call.is_done);
  EXPECT_TRUE(call.outcome);
  // It may still look while it ends.
  put(keys_from(0, 1, true));
  turn_until_version(3);
  adopt(0);
  adopt(2);
  turn();
  EXPECT_TRUE(calls_.back().is_done);
  EXPECT_TRUE(last_seen.find(digest_of(1)));
  shards_[1].listen();
  EXPECT_EQ(shards_[1].directory.version(), 2u);
  EXPECT_TRUE(is_blocked(shards_[1].directory, 1));
}

// It may have found in the store what another call has just changed there.
TEST_F(KeyDeskTest, d005_a_job_that_changes_nothing_returns_when_what_it_saw_is_in_force) {
  start(1);
  Call& alone = put(DirectoryChange{});
  while (!alone.is_done) ring_.turn(false);
  EXPECT_EQ(desk().present().version(), 1u);

  Call& change = put(keys_from(0, 1, true));
  std::atomic<bool> has_run = false;
  Call& look = put([&has_run] {
    has_run = true;
    return DirectoryChange{};
  });
  while (!has_run) ring_.turn(false);
  turn_until_version(2);
  turn(20);
  EXPECT_FALSE(look.is_done);
  adopt_all();
  turn();
  EXPECT_TRUE(change.is_done);
  while (!look.is_done) ring_.turn(false);
  EXPECT_EQ(desk().present().version(), 2u);
  EXPECT_EQ(cells().directory_changes.value(), 1u);
}

TEST_F(KeyDeskTest, a_slow_shard_is_told_of_once_and_waited_for) {
  start(1);
  Call& call = put(keys_from(0, 1, true));
  turn_until_version(2);
  adopt(0);
  adopt(2);
  clock_.advance(KeyDesk::kSlowChange + milliseconds(10));
  turn();
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("on shard 1 "), std::string::npos);
  clock_.advance(seconds(100));
  turn();
  EXPECT_EQ(log_.lines.size(), 1u);
  EXPECT_FALSE(call.is_done);
  adopt(1);
  turn();
  EXPECT_TRUE(call.is_done);
}

TEST_F(KeyDeskTest, keys_are_counted_with_every_change) {
  start(3);
  auth::KeyRecord rotated = key_of(1);
  rotated.digest = digest_of(100);
  put({.keys = {rotated, key_of(7)}, .gone = {key_of(2)}});
  put({.gone = {key_of(0)}});
  put({.keys = {key_of(8)}, .gone = {key_of(50)}});
  turn_until_version(4);
  EXPECT_EQ(cells().directory_keys.value(), 3);
  adopt_all();
  turn();
}

TEST_F(KeyDeskTest, a_delta_that_has_grown_is_folded_and_nothing_is_lost_meanwhile) {
  start(10);
  const int64_t bytes = cells().directory_bytes.value();
  for (uint64_t i = 0; i < 3; ++i) put(keys_from(100 + 400 * i, 400));
  put({.gone = {key_of(3), key_of(100)}});
  // Three changes, one more, and the fold; which of the last comes first is left open.
  uint64_t version = 5;
  while (cells().directory_bytes.value() == bytes) ring_.turn(false);
  version = std::max(version, desk().present().version());
  Call& last = put(keys_from(0, 1, true));
  turn_until_version(version + 1);
  adopt_all();
  while (!last.is_done) {
    ring_.turn(false);
    adopt_all();
  }
  for (const Call& call : calls_) EXPECT_TRUE(call.is_done);
  const auth::Directory& directory = shards_[0].directory;
  EXPECT_TRUE(is_blocked(directory, 0));
  EXPECT_FALSE(directory.find(digest_of(3)));
  EXPECT_FALSE(directory.find(digest_of(100)));
  for (uint64_t i = 101; i < 1300; ++i) ASSERT_TRUE(directory.find(digest_of(i))) << i;
  EXPECT_EQ(cells().directory_keys.value(), 10 + 1200 - 2);
}

TEST_F(KeyDeskTest, a_change_beyond_a_delta_becomes_an_index_at_once_and_others_keep_their_order) {
  start(10);
  std::latch all_posted(1);
  Call& large = put([&all_posted] {
    all_posted.wait();
    return keys_from(0, 3000, true);
  });
  Call& small = put(keys_from(5, 1, false));
  Call& look = put(DirectoryChange{});
  all_posted.count_down();
  while (!small.is_done || !large.is_done || !look.is_done) {
    ring_.turn(false);
    adopt_all();
  }
  EXPECT_TRUE(is_blocked(shards_[0].directory, 4));
  EXPECT_FALSE(is_blocked(shards_[0].directory, 5));
  EXPECT_TRUE(is_blocked(shards_[0].directory, 2999));
  EXPECT_EQ(cells().directory_keys.value(), 3000);
  EXPECT_EQ(cells().directory_changes.value(), 2u);
}

TEST_F(KeyDeskTest, calls_beyond_the_bound_are_refused_and_their_jobs_do_not_run) {
  start(1);
  std::latch released(1);
  put([&released] {
    released.wait();
    return DirectoryChange{};
  });
  for (size_t i = 1; i < KeyDesk::kJobsMost; ++i) put(DirectoryChange{});
  bool has_run = false;
  Call& refused = put([&has_run] {
    has_run = true;
    return DirectoryChange{};
  });
  ASSERT_TRUE(refused.is_done);
  EXPECT_NE(refused.outcome.error().find("try again"), std::string::npos);
  EXPECT_TRUE(desk().is_busy());
  released.count_down();
  while (desk().is_busy()) ring_.turn(false);
  turn();
  for (const Call& call : calls_) EXPECT_TRUE(call.is_done);
  EXPECT_FALSE(has_run);
}

TEST_F(KeyDeskTest, its_end_lets_everyone_go_and_takes_nothing_more) {
  start(1);
  Call& call = put(keys_from(0, 1, true));
  turn_until_version(2);
  EXPECT_FALSE(call.is_done);
  bool is_over = false;
  io::start_detached(end_into(&is_over));
  while (!is_over) ring_.turn(false);
  EXPECT_TRUE(call.is_done);
  Call& late = put(keys_from(0, 1));
  ASSERT_TRUE(late.is_done);
  EXPECT_FALSE(late.outcome);
}

TEST_F(KeyDeskTest, its_end_does_not_wait_for_a_hanging_disk) {
  start(1);
  std::latch released(1);
  Call& call = put([&released] {
    released.wait();
    return DirectoryChange{};
  });
  bool is_over = false;
  io::start_detached(end_into(&is_over));
  turn();
  EXPECT_FALSE(is_over);
  clock_.advance(KeyDesk::kEndTime + milliseconds(10));
  while (!is_over) ring_.turn(false);
  EXPECT_TRUE(desk().is_busy());
  EXPECT_FALSE(call.is_done);
  released.count_down();
  while (!call.is_done) ring_.turn(false);
  turn();
}

// --- with a store ------------------------------------------------------------------------------

const auth::Actor kRoot{.name = "unix:uid=0", .origin = "unix"};

TEST_F(KeyDeskTest, d005_what_a_job_does_in_the_store_is_in_force_and_there_at_the_next_start) {
  const store::SqliteFolder folder;
  const std::string path = folder.file();
  ASSERT_TRUE(desk().open(path, clock_));
  EXPECT_TRUE(desk().has_store());
  adopt_all();
  std::string id;
  const auto run = [this](KeyDesk::Job job) {
    Call& call = calls_.emplace_back();
    io::start_detached(run_into(&call, std::move(job)));
    while (!call.is_done) {
      ring_.turn(false);
      adopt_all();
    }
    ASSERT_TRUE(call.outcome) << call.outcome.error();
  };
  run([&id](auth::KeyStore& store) {
    auth::KeyRecord key;
    key.name = "app";
    key.prefix = "sk-abcd";
    key.digest = digest_of(1);
    id = store.create_key(kRoot, key)->id;
  });
  const auto found = shards_[1].directory.find(digest_of(1));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, id);
  EXPECT_EQ(cells().directory_keys.value(), 1);
  run([&id](auth::KeyStore& store) {
    ASSERT_TRUE(store.rotate_key(kRoot, id, digest_of(2), "sk-efgh", std::nullopt));
  });
  EXPECT_FALSE(shards_[2].directory.find(digest_of(1)));
  EXPECT_TRUE(shards_[2].directory.find(digest_of(2)));
  run([&id](auth::KeyStore& store) { ASSERT_TRUE(store.block_key(kRoot, id, true)); });
  EXPECT_TRUE(is_blocked(shards_[0].directory, 2));

  // One process at a time has the file.
  bool is_over = false;
  io::start_detached(end_into(&is_over));
  while (!is_over) ring_.turn(false);
  service_.reset();
  service_.emplace(KeyService::Parts{ring_, returns_, registry_, log_, ports_});
  ASSERT_TRUE(desk().open(path, clock_));
  adopt_all();
  EXPECT_TRUE(is_blocked(shards_[0].directory, 2));
  EXPECT_FALSE(shards_[0].directory.find(digest_of(1)));
  run([&id](auth::KeyStore& store) { ASSERT_TRUE(store.delete_key(kRoot, id)); });
  EXPECT_FALSE(shards_[0].directory.find(digest_of(2)));
  EXPECT_EQ(cells().directory_keys.value(), 0);
}

TEST_F(KeyDeskTest, a_store_that_cannot_be_opened_is_said_with_its_path) {
  const auto opened = desk().open("/dev/null/keys.db", clock_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("/dev/null/keys.db"), std::string::npos);
  EXPECT_FALSE(desk().has_store());
}

// --- with shards that are threads --------------------------------------------------------------

// Looks all the time, in what it was told last, and acknowledges when it has done so.
class LookingShard {
 public:
  LookingShard(FakeShard& link, io::Ring& control, const std::atomic<uint64_t>& blocked)
      : link_(link), control_(control), blocked_(blocked), thread_([this] { look(); }) {}
  ~LookingShard() {
    is_over_ = true;
    thread_.join();
  }
  [[nodiscard]] uint64_t wrong() const noexcept { return wrong_; }
  [[nodiscard]] uint64_t looks() const noexcept { return looks_; }

 private:
  void look() {
    auth::Directory directory;
    while (!is_over_) {
      // Read before the mailbox is: what a call has returned for by now must be found.
      const uint64_t blocked = blocked_.load(std::memory_order_acquire);
      if (auto command = link_.commands.pop()) {
        directory = std::get<auth::AdoptDirectory>(*command).directory;
        while (!link_.reports.push(auth::DirectoryAdopted{directory.version()})) {
        }
        control_.wake();
      }
      if (blocked > 0) {
        const auto found = directory.find(digest_of(blocked - 1));
        if (!found || !found->is_blocked) ++wrong_;
      }
      ++looks_;
      std::this_thread::yield();
    }
  }

  FakeShard& link_;
  io::Ring& control_;
  const std::atomic<uint64_t>& blocked_;
  std::atomic<bool> is_over_{false};
  std::atomic<uint64_t> wrong_{0};
  std::atomic<uint64_t> looks_{0};
  std::thread thread_;
};

TEST_F(KeyDeskTest, d005_no_thread_finds_a_key_open_after_the_call_that_blocked_it_returned) {
  constexpr uint64_t kKeys = 1600;  // More than a delta holds.
  constexpr uint64_t kAtOnce = 8;
  auth::DirectoryBuilder builder;
  for (uint64_t i = 0; i < kKeys; ++i) builder.add(key_of(i));
  desk().start(builder.finish());
  std::atomic<uint64_t> blocked{0};
  {
    LookingShard first(shards_[0], ring_, blocked);
    LookingShard second(shards_[1], ring_, blocked);
    desk().on_shard_end(ShardId{2});
    for (uint64_t i = 0; i < kKeys; i += kAtOnce) {
      Call& call = calls_.emplace_back();
      run_to_end(ring_, put_into(&call, [i] { return keys_from(i, kAtOnce, true); }));
      blocked.store(i + kAtOnce, std::memory_order_release);
    }
    EXPECT_EQ(first.wrong() + second.wrong(), 0u);
    EXPECT_GT(first.looks() + second.looks(), 0u);
  }
  EXPECT_EQ(cells().directory_changes.value(), kKeys / kAtOnce);
  EXPECT_EQ(cells().directory_keys.value(), static_cast<int64_t>(kKeys));
}

}  // namespace
}  // namespace sluice::control
