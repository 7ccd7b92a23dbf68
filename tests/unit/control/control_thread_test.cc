// The control thread with real lanes and a real ring; the shards are mailboxes that tests empty.
#include <sluice/control/control_thread.h>

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <map>

#include <gtest/gtest.h>

#include <sluice/io/uring_kernel.h>
#include <sluice/net/system_resolver.h>

#include "../store/journal_folder.h"
#include "test_certificates.h"

namespace sluice::control {
namespace {

constexpr const char* kValid = R"(
listen: 127.0.0.1:0
development: true
drain_timeout: 0s
upstreams:
  - {name: one, url: "http://127.0.0.1:1", private_addresses: true}
models:
  - {name: small, routes: [{upstream: one}]}
)";

// The file of the test; read on the config lane while the ring's thread waits for it.
class OneFile final : public config::Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string&) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::expected<config::FileText, std::string> read(const std::string& path,
                                                                  size_t) const override {
    if (path == "test.yaml") return config::FileText{.text = text};
    const auto file = others.find(path);
    if (file == others.end()) return std::unexpected("No such file or directory");
    return config::FileText{.text = file->second};
  }
  std::string text = kValid;
  std::map<std::string, std::string> others;
};

class NoLogs final : public LogWork {
 public:
  [[nodiscard]] bool has_records() const noexcept override { return false; }
  bool collect() override { return false; }
  void apply(const config::LogSettings& log, const config::AccessLogSettings&) override {
    level = log.level;
  }
  void reopen() override { ++reopened; }
  LogLevel level = LogLevel::kOff;
  int reopened = 0;
};

// Sockets that are numbers; an address with the port 9 cannot be had.
class FakeSockets final : public ListenSockets {
 public:
  std::expected<void, std::string> open(const config::Snapshot& running,
                                        const config::Snapshot& candidate) override {
    if (candidate.listen.port == 9) return std::unexpected("cannot listen on port 9");
    if (running.listen != candidate.listen) pending_ = {70, 71};
    return {};
  }
  std::vector<int> use(const config::Snapshot&) override { return std::exchange(pending_, {}); }
  void drop() noexcept override { pending_.clear(); }

 private:
  std::vector<int> pending_;
};

struct FakeShard {
  Commands commands{64};
  Reports reports{64};
};

class ControlThreadTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kShards = 2;

  ControlThreadTest() {
    for (uint32_t i = 0; i < kShards; ++i) {
      ports_.emplace_back(ShardId{i}, shards_[i].commands, shards_[i].reports);
    }
  }
  // The configuration in `file_`.
  void start(int signal_fd = -1) {
    control_.emplace(ControlParts{.ring = ring_,
                                  .returns = returns_,
                                  .config_lane = *config_lane_,
                                  .resolver = resolver_,
                                  .registry = registry_,
                                  .budget = budget_,
                                  .log = log_,
                                  .log_work = logs_,
                                  .environment = file_,
                                  .config_path = "test.yaml",
                                  .ports = ports_,
                                  .spend = spend_.get(),
                                  .signal_fd = signal_fd,
                                  .sockets = &sockets_});
    Loaded loaded = load_with_files("test.yaml", file_, clock_.wall());
    ASSERT_NE(loaded.config.snapshot, nullptr);
    const auto adoptions =
        control_->publish_first(std::move(loaded.config.snapshot), std::move(loaded.tls));
    control_->remember_first(std::move(loaded.config.text), std::move(loaded.config.secrets));
    ASSERT_TRUE(adoptions.has_value()) << adoptions.error();
    ASSERT_EQ(adoptions->size(), kShards);
  }
  ReloadOutcome reload(ReloadRequest request) {
    ReloadOutcome outcome;
    bool is_done = false;
    io::start_detached(reload_as_asked(std::move(request), &outcome, &is_done));
    while (!is_done) ring_.turn(false);
    return outcome;
  }
  Task<void> reload_as_asked(ReloadRequest request, ReloadOutcome* outcome, bool* is_done) {
    *outcome = co_await control_->reload(std::move(request));
    *is_done = true;
  }
  CandidateOutcome check(std::string text) {
    CandidateOutcome outcome;
    bool is_done = false;
    io::start_detached(check_into(std::move(text), &outcome, &is_done));
    while (!is_done) ring_.turn(false);
    return outcome;
  }
  Task<void> check_into(std::string text, CandidateOutcome* outcome, bool* is_done) {
    *outcome = co_await control_->check(std::move(text));
    *is_done = true;
  }
  ReloadOutcome reload() {
    ReloadOutcome outcome;
    bool is_done = false;
    io::start_detached(reload_into(&outcome, &is_done));
    while (!is_done) ring_.turn(false);
    return outcome;
  }
  Task<void> reload_into(ReloadOutcome* outcome, bool* is_done) {
    *outcome = co_await control_->reload("a test");
    *is_done = true;
  }
  uint64_t reloads(metrics::ReloadResult result) {
    return registry_.control().config_reloads[result].value();
  }
  // The shards drain: as soon as they are told to, or only once they are to kill their streams.
  template <class Awaited>
  void answer_drain() {
    for (FakeShard& shard : shards_) {
      while (const auto command = shard.commands.pop()) {
        if (std::holds_alternative<Awaited>(*command)) {
          ASSERT_TRUE(shard.reports.push(upstream::ShardDrained{}));
          ring_.wake();
        }
      }
    }
  }

  std::unique_ptr<io::Kernel> kernel_ = std::move(*io::open_uring_kernel({.buffers_most = 64}));
  io::SystemSyscalls syscalls_;
  SystemClock clock_;
  io::Ring ring_{*kernel_, syscalls_, clock_, {.hot = 64, .most = 64}};
  io::OffloadReturns returns_{ring_};
  std::unique_ptr<io::Lane> config_lane_ = std::make_unique<io::Lane>();
  net::SystemResolver resolver_{ring_};
  metrics::Registry registry_{kShards};
  ByteBudget budget_{1};
  NullLogger log_;
  NoLogs logs_;
  FakeSockets sockets_;
  OneFile file_;
  FakeShard shards_[kShards];
  std::vector<ShardPort> ports_;
  std::unique_ptr<SpendJournal> spend_;
  std::optional<ControlThread> control_;
};

TEST_F(ControlThreadTest, first_configuration_is_in_force_before_the_loop_runs) {
  start();
  EXPECT_EQ(control_->snapshot().generation, 1u);
  EXPECT_EQ(budget_.ceiling(), control_->snapshot().limits.byte_budget);
  EXPECT_EQ(logs_.level, LogLevel::kInfo);
}

TEST_F(ControlThreadTest, spend_of_shards_is_booked_and_written_between_ticks) {
  store::JournalFolder folder;
  store::SystemFileCalls calls;
  metrics::Counter lost;
  SpendRing spend_ring(16, lost);
  spend_ = *SpendJournal::open({.settings = {.directory = folder.path()},
                                .rings = {&spend_ring},
                                .returns = returns_,
                                .calls = calls,
                                .clock = clock_,
                                .cells = registry_.control(),
                                .log = log_});
  start();
  EXPECT_EQ(control_->spend_state().book, &spend_->book());
  usage::SpendRecord record;
  record.kind = usage::SpendKind::kSettled;
  record.key = "app";
  record.cost_micro_dollars = 7;
  ASSERT_TRUE(spend_ring.push(record));
  const metrics::Counter& written =
      registry_.control().journal_records[metrics::JournalRecord::kSettled];
  while (written.value() == 0 || spend_->is_busy()) ring_.turn(false);
  EXPECT_EQ(spend_->book().spent(SpendSubject::kKey, "app", config::LimitWindow::kTotal, {}), 7u);
  EXPECT_GT(store::JournalFolder::read(folder.segment(1)).size(), 16u);
  control_.reset();
  spend_.reset();
}

TEST_F(ControlThreadTest, without_a_journal_there_is_no_book) {
  start();
  EXPECT_EQ(control_->spend_state().book, nullptr);
}

TEST_F(ControlThreadTest, reload_sends_the_new_snapshot_to_every_shard) {
  start();
  file_.text = std::string(kValid) + "log: {level: debug}\n";
  const ReloadOutcome outcome = reload();
  EXPECT_EQ(outcome.result, ReloadResult::kApplied);
  EXPECT_EQ(outcome.generation, 2u);
  EXPECT_EQ(logs_.level, LogLevel::kDebug);
  for (FakeShard& shard : shards_) {
    const auto command = shard.commands.pop();
    ASSERT_TRUE(command);
    EXPECT_EQ(std::get<upstream::AdoptSnapshot>(*command).snapshot, &control_->snapshot());
  }
  EXPECT_EQ(reloads(metrics::ReloadResult::kSuccess), 1u);
}

TEST_F(ControlThreadTest, old_snapshot_is_freed_when_all_shards_report) {
  start();
  ASSERT_EQ(reload().result, ReloadResult::kApplied);
  EXPECT_EQ(control_->publisher().live_count(), 2u);
  for (FakeShard& shard : shards_) {
    ASSERT_TRUE(shard.reports.push(upstream::SnapshotReleased{1}));
  }
  ring_.turn(false);
  EXPECT_EQ(control_->publisher().live_count(), 1u);
}

TEST_F(ControlThreadTest, bad_file_changes_nothing_and_every_problem_is_named) {
  start();
  file_.text = "listen: 127.0.0.1:0\ndevelopment: true\nnonsense: 1\nlog: {level: loud}\n";
  const ReloadOutcome outcome = reload();
  EXPECT_EQ(outcome.result, ReloadResult::kBadFile);
  EXPECT_EQ(outcome.generation, 1u);
  EXPECT_GE(outcome.problems.size(), 2u);
  EXPECT_EQ(control_->snapshot().generation, 1u);
  EXPECT_FALSE(shards_[0].commands.has_message());
  EXPECT_EQ(reloads(metrics::ReloadResult::kFailure), 1u);
}

TEST_F(ControlThreadTest, a_reload_brings_new_certificates_and_refuses_bad_ones) {
  const auto write = [this](int64_t until_days) {
    const auto made = support::make_certificate({.until_days = until_days, .now = clock_.wall()});
    file_.others["a.pem"] = made.pem;
    file_.others["a.key"] = made.key_pem;
  };
  file_.text = std::string(kValid) + "tls: {certificates: [{certificate: a.pem, key: a.key}]}\n";
  write(50);
  start();
  const auto days = [this] {
    return control_->certificates().samples(clock_.wall()).at(0).days_left;
  };
  EXPECT_EQ(days(), 49);

  write(-1);
  const ReloadOutcome refused = reload();
  EXPECT_EQ(refused.result, ReloadResult::kBadFile);
  ASSERT_EQ(refused.problems.size(), 1u);
  EXPECT_TRUE(refused.problems[0].starts_with("a.pem: the certificate expired on "));
  EXPECT_EQ(control_->snapshot().generation, 1u);
  EXPECT_EQ(days(), 49);
  EXPECT_FALSE(shards_[0].commands.has_message());

  write(9);
  const ReloadOutcome applied = reload();
  EXPECT_EQ(applied.result, ReloadResult::kApplied);
  EXPECT_TRUE(applied.warnings.back().starts_with("a.pem: the certificate expires on "));
  EXPECT_EQ(days(), 8);
  for (FakeShard& shard : shards_) {
    const auto command = shard.commands.pop();
    ASSERT_TRUE(command.has_value());
    EXPECT_NE(std::get<upstream::AdoptSnapshot>(*command).tls.server, nullptr);
  }
}

TEST_F(ControlThreadTest, a_listener_that_moves_goes_to_the_shards_with_the_snapshot) {
  start();
  file_.text.replace(file_.text.find(":0"), 2, ":8081");
  ASSERT_EQ(reload().result, ReloadResult::kApplied);
  for (size_t i = 0; i < kShards; ++i) {
    const auto command = shards_[i].commands.pop();
    ASSERT_TRUE(command.has_value());
    EXPECT_EQ(std::get<upstream::AdoptSnapshot>(*command).listen_fd, static_cast<int>(70 + i));
  }
  ASSERT_EQ(reload().result, ReloadResult::kApplied);
  EXPECT_TRUE(shards_[0].commands.pop());  // LookForPlaces.
  const auto command = shards_[0].commands.pop();
  EXPECT_EQ(std::get<upstream::AdoptSnapshot>(*command).listen_fd, -1);
}

TEST_F(ControlThreadTest, an_address_that_cannot_be_had_changes_nothing) {
  start();
  file_.text.replace(file_.text.find(":0"), 2, ":9");
  const ReloadOutcome outcome = reload();
  EXPECT_EQ(outcome.result, ReloadResult::kNotDone);
  EXPECT_EQ(outcome.problems, std::vector<std::string>{"cannot listen on port 9"});
  EXPECT_EQ(control_->snapshot().generation, 1u);
  EXPECT_FALSE(shards_[0].commands.has_message());
}

TEST_F(ControlThreadTest, a_reload_says_what_changed_and_the_history_keeps_it) {
  start();
  ASSERT_EQ(control_->history().versions().size(), 1u);
  EXPECT_EQ(control_->history().newest()->checksum, checksum_of(kValid));
  ASSERT_EQ(reload().result, ReloadResult::kApplied);
  EXPECT_EQ(control_->history().versions().size(), 1u) << "the text is the same";

  file_.text.replace(file_.text.find("0s"), 2, "5s");
  const ReloadOutcome outcome = reload({.asked_by = "somebody"});
  EXPECT_EQ(outcome.changes, std::vector<std::string>{"drain_timeout: 0s -> 5s"});
  EXPECT_EQ(outcome.checksum, checksum_of(file_.text));
  const ConfigHistory::Version version = control_->history().newest();
  EXPECT_EQ(version->generation, 3u);
  EXPECT_EQ(version->asked_by, "somebody");
  EXPECT_EQ(version->changes, outcome.changes);
  EXPECT_EQ(control_->reloads(), 2u);
}

TEST_F(ControlThreadTest, only_the_text_that_is_expected_is_taken) {
  start();
  file_.text += "# Another text.\n";
  const ReloadOutcome refused = reload({.asked_by = "a", .expected_checksum = checksum_of(kValid)});
  EXPECT_EQ(refused.result, ReloadResult::kOtherText);
  EXPECT_EQ(control_->snapshot().generation, 1u);
  EXPECT_EQ(reload({.asked_by = "a", .expected_checksum = checksum_of(file_.text)}).result,
            ReloadResult::kApplied);
}

TEST_F(ControlThreadTest, rolling_back_to_what_is_not_known_changes_nothing) {
  start();
  EXPECT_EQ(reload({.asked_by = "a", .rollback_to = 7}).result, ReloadResult::kUnknownVersion);
  EXPECT_EQ(control_->snapshot().generation, 1u);
}

// The file of the test is none on the disk, so that it cannot be written.
TEST_F(ControlThreadTest, a_rollback_that_cannot_write_the_file_changes_nothing) {
  start();
  file_.text.replace(file_.text.find("0s"), 2, "5s");
  ASSERT_EQ(reload().result, ReloadResult::kApplied);
  const ReloadOutcome outcome = reload({.asked_by = "a", .rollback_to = 1});
  EXPECT_EQ(outcome.result, ReloadResult::kNotDone);
  EXPECT_EQ(control_->snapshot().drain_timeout, seconds(5));
}

TEST_F(ControlThreadTest, a_candidate_is_checked_and_nothing_changes) {
  start();
  std::string text = kValid;
  text.replace(text.find("0s"), 2, "5s");
  const CandidateOutcome good = check(text);
  EXPECT_EQ(good.result, ReloadResult::kApplied);
  EXPECT_EQ(good.changes, std::vector<std::string>{"drain_timeout: 0s -> 5s"});
  EXPECT_EQ(check("listen: x\n").result, ReloadResult::kBadFile);
  EXPECT_EQ(check(text + "shards: 7\n").result, ReloadResult::kNeedsRestart);
  EXPECT_EQ(control_->snapshot().generation, 1u);
  EXPECT_FALSE(shards_[0].commands.has_message());
}

TEST_F(ControlThreadTest, a_log_level_holds_until_a_reload_names_another) {
  file_.text = std::string(kValid) + "log: {level: warn}\n";
  start();
  control_->set_log_level(LogLevel::kDebug, "a test");
  EXPECT_EQ(logs_.level, LogLevel::kDebug);
  ASSERT_EQ(reload().result, ReloadResult::kApplied);
  EXPECT_EQ(logs_.level, LogLevel::kDebug);
  file_.text = std::string(kValid) + "log: {level: error}\n";
  ASSERT_EQ(reload().result, ReloadResult::kApplied);
  EXPECT_EQ(logs_.level, LogLevel::kError);
  EXPECT_EQ(control_->log_level(), LogLevel::kError);
}

TEST_F(ControlThreadTest, what_needs_a_restart_is_refused_by_its_keys) {
  start();
  file_.text = std::string(kValid) + "shards: 7\nstore: {path: /s}\n";
  const ReloadOutcome outcome = reload();
  EXPECT_EQ(outcome.result, ReloadResult::kNeedsRestart);
  ASSERT_EQ(outcome.problems.size(), 1u);
  EXPECT_TRUE(outcome.problems[0].contains("shards, store.path"));
  EXPECT_EQ(control_->snapshot().generation, 1u);
}

TEST_F(ControlThreadTest, reload_while_another_runs_is_refused) {
  start();
  ReloadOutcome first, second;
  bool first_done = false, second_done = false;
  io::start_detached(reload_into(&first, &first_done));
  io::start_detached(reload_into(&second, &second_done));
  while (!first_done || !second_done) ring_.turn(false);
  EXPECT_EQ(first.result, ReloadResult::kApplied);
  EXPECT_EQ(second.result, ReloadResult::kBusy);
}

TEST_F(ControlThreadTest, d124_drain_ends_with_status_0_when_all_shards_are_empty) {
  start();
  EXPECT_TRUE(control_->begin_drain("a test"));
  EXPECT_FALSE(control_->begin_drain("a test"));
  EXPECT_EQ(registry_.control().draining.value(), 1);
  EXPECT_EQ(reload().result, ReloadResult::kBusy);
  answer_drain<upstream::BeginDrain>();
  EXPECT_EQ(control_->serve(), ControlThread::kExitDrained);
}

// Shards that end only when their streams are cut; they are looked at in every turn of the ring.
class StubbornShards final : public io::TurnHook {
 public:
  StubbornShards(ControlThread& control, FakeShard* shards, uint32_t count, io::Ring& ring)
      : control_(control), shards_(shards), count_(count), ring_(ring) {
    ring_.set_hook(*this);
  }
  ~StubbornShards() { ring_.set_hook(control_); }
  [[nodiscard]] bool has_work() const noexcept override {
    for (uint32_t i = 0; i < count_; ++i) {
      if (shards_[i].commands.has_message()) return true;
    }
    return control_.has_work();
  }
  void run() override {
    for (uint32_t i = 0; i < count_; ++i) {
      while (const auto command = shards_[i].commands.pop()) {
        if (i == 0) seen.push_back(command->index());
        if (!std::holds_alternative<upstream::CutStreams>(*command)) continue;
        EXPECT_TRUE(shards_[i].reports.push(upstream::ShardDrained{}));
      }
    }
    control_.run();
  }
  std::vector<size_t> seen;  // By the first shard.

 private:
  ControlThread& control_;
  FakeShard* shards_;
  uint32_t count_;
  io::Ring& ring_;
};

TEST_F(ControlThreadTest, streams_that_do_not_end_are_cut_after_the_drain_time) {
  start();
  StubbornShards stubborn(*control_, shards_, kShards, ring_);
  ASSERT_TRUE(control_->begin_drain("a test"));
  EXPECT_EQ(control_->serve(), ControlThread::kExitDrained);
  const size_t begin = upstream::ShardCommand(upstream::BeginDrain{}).index();
  const size_t cut = upstream::ShardCommand(upstream::CutStreams{}).index();
  EXPECT_EQ(stubborn.seen, (std::vector<size_t>{begin, cut}));
}

class ControlSignalTest : public ControlThreadTest {
 protected:
  ControlSignalTest() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGHUP, SIGINT, SIGTERM}) ::sigaddset(&set, signal);
    // The lane's thread inherits the mask only if it starts after it is set.
    config_lane_.reset();
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    config_lane_ = std::make_unique<io::Lane>();
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  }
  ~ControlSignalTest() override {
    ::close(fd_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  int fd_ = -1;
  sigset_t before_{};
};

TEST_F(ControlSignalTest, sigterm_drains) {
  start(fd_);
  StubbornShards stubborn(*control_, shards_, kShards, ring_);
  ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
  EXPECT_EQ(control_->serve(), ControlThread::kExitDrained);
  EXPECT_TRUE(control_->is_draining());
}

TEST_F(ControlSignalTest, sighup_reloads_and_opens_logs_anew) {
  start(fd_);
  StubbornShards stubborn(*control_, shards_, kShards, ring_);
  ASSERT_EQ(::kill(::getpid(), SIGHUP), 0);
  // Ended by the watcher below once the second generation is out.
  class Watcher final : public io::TurnHook {
   public:
    Watcher(StubbornShards& next, ControlThread& control) : next_(next), control_(control) {}
    [[nodiscard]] bool has_work() const noexcept override {
      return is_waiting() || next_.has_work();
    }
    void run() override {
      if (is_waiting()) control_.begin_drain("a test");
      next_.run();
    }

   private:
    bool is_waiting() const {
      return control_.snapshot().generation == 2 && !control_.is_draining();
    }
    StubbornShards& next_;
    ControlThread& control_;
  };
  Watcher watcher(stubborn, *control_);
  ring_.set_hook(watcher);
  EXPECT_EQ(control_->serve(), ControlThread::kExitDrained);
  EXPECT_EQ(logs_.reopened, 1);
  EXPECT_EQ(control_->snapshot().generation, 2u);
}

}  // namespace
}  // namespace sluice::control
