#include <sluice/control/predecessor_watch.h>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <sluice/io/uring_kernel.h>
#include <sluice/metrics/registry.h>
#include <sluice/net/descriptor_message.h>

#include "../store/journal_folder.h"
#include "../store/lane_world.h"

namespace sluice::control {
namespace {

class Errors final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view, std::string_view message) override {
    if (level == LogLevel::kError) lines.emplace_back(message);
  }
  std::vector<std::string> lines;
};

// The predecessor is this test; the successor's ring is the real one, since its channels are.
class PredecessorWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto kernel = io::open_uring_kernel({.submissions = 16, .completions = 64, .buffers_most = 16});
    ASSERT_TRUE(kernel) << kernel.error();
    kernel_ = std::move(*kernel);
    ring_.emplace(*kernel_, syscalls_, clock_, io::BufferLimits{.hot = 4, .most = 16});
    auto opened = SpendJournal::open({.settings = {.directory = folder_.path()},
                                      .rings = {},
                                      .returns = world_.returns,
                                      .calls = calls_,
                                      .clock = clock_,
                                      .cells = registry_.control(),
                                      .log = errors_});
    ASSERT_TRUE(opened) << opened.error();
    journal_ = std::move(*opened);
    open_pair(connections_, connections_far_);
    open_pair(records_, records_far_);
    watch_.emplace(PredecessorWatch::Parts{
        .ring = *ring_, .ports = {}, .spend = journal_.get(), .log = errors_});
  }
  void TearDown() override {
    watch_.reset();
    for (const int fd : {connections_far_, records_far_}) {
      if (fd >= 0) ::close(fd);
    }
    EXPECT_TRUE(journal_->finish());
  }
  static void open_pair(int& near, int& far) {
    std::array<int, 2> fds{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()), 0);
    near = fds[0];
    far = fds[1];
  }
  void start() { watch_->start(connections_, records_); }
  void turn_until(const std::function<bool()>& is_done) {
    for (int i = 0; i < 100'000 && !is_done(); ++i) ring_->turn(false);
    ASSERT_TRUE(is_done());
  }
  void end() {
    bool is_done = false;
    io::start_detached(end_and_tell(&is_done));
    turn_until([&] { return is_done; });
  }
  Task<void> end_and_tell(bool* is_done) {
    co_await watch_->end();
    *is_done = true;
  }
  static std::string record_text(usage::SpendKind kind, uint64_t number, uint64_t cost) {
    usage::SpendRecord record;
    record.run = 77;
    record.exchange = usage::SpendRecord::make_exchange(1, number);
    record.kind = kind;
    record.source = usage::SpendSource::kReported;
    record.key = "app";
    record.cost_micro_dollars = cost;
    std::string text;
    usage::append_spend(text, record);
    std::string batch(1, kRecordsMark);
    batch += static_cast<char>(text.size() & 0xff);
    batch += static_cast<char>(text.size() >> 8);
    return batch + text;
  }
  int send(const std::string& text) { return net::send_descriptors(records_far_, text, {}); }
  int send_settled(uint64_t number, uint64_t cost) {
    return send(record_text(usage::SpendKind::kSettled, number, cost));
  }
  uint64_t total() {
    return journal_->book()
        .sums(SpendSubject::kKey, "app", config::LimitWindow::kTotal, clock_.wall())
        .micro_dollars;
  }

  SystemClock clock_;
  io::SystemSyscalls syscalls_;
  std::unique_ptr<io::Kernel> kernel_;
  std::optional<io::Ring> ring_;
  store::JournalFolder folder_;
  store::LaneWorld world_;
  store::SystemFileCalls calls_;
  metrics::Registry registry_{1};
  Errors errors_;
  std::unique_ptr<SpendJournal> journal_;
  int connections_ = -1;
  int connections_far_ = -1;
  int records_ = -1;
  int records_far_ = -1;
  std::optional<PredecessorWatch> watch_;
};

TEST_F(PredecessorWatchTest, a_successor_that_ends_first_loses_nothing_that_it_was_given) {
  constexpr uint64_t kCount = 150;  // More than are taken at once, and what a channel holds.
  for (uint64_t i = 0; i < kCount; ++i) ASSERT_EQ(send_settled(i, 1), 0) << i;
  start();
  end();
  EXPECT_EQ(total(), kCount);
  // Nothing more is taken, and the predecessor knows it; but not that the files are its own again.
  EXPECT_EQ(send_settled(kCount, 1), EPIPE);
  char byte = 0;
  EXPECT_EQ(::recv(records_far_, &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
  watch_.reset();
  EXPECT_EQ(::recv(records_far_, &byte, 1, MSG_DONTWAIT), 0);
}

TEST_F(PredecessorWatchTest, what_runs_when_the_predecessor_ends_is_booked_at_what_was_set_aside) {
  start();
  ASSERT_EQ(send(record_text(usage::SpendKind::kOpened, 1, 1'000)), 0);
  ASSERT_EQ(send_settled(2, 5), 0);
  turn_until([&] { return total() == 5; });
  EXPECT_TRUE(watch_->is_busy());
  ::close(std::exchange(records_far_, -1));
  turn_until([&] { return !watch_->is_busy(); });
  EXPECT_EQ(total(), 1'005u);
  end();
}

TEST_F(PredecessorWatchTest, a_reset_does_not_hide_what_was_sent_before) {
  // What the predecessor did not read resets the channel when it ends.
  ASSERT_EQ(net::send_descriptors(records_, "unread", {}), 0);
  ASSERT_EQ(send(record_text(usage::SpendKind::kOpened, 1, 1'000)), 0);
  ASSERT_EQ(send_settled(1, 7), 0);
  ::close(std::exchange(records_far_, -1));
  start();
  turn_until([&] { return !watch_->is_busy(); });
  EXPECT_EQ(total(), 7u);
  end();
}

TEST_F(PredecessorWatchTest, a_message_beyond_the_bounds_is_told_and_is_not_the_end) {
  start();
  ASSERT_EQ(send(record_text(usage::SpendKind::kOpened, 1, 1'000)), 0);
  const std::string long_one(net::kMessageBytesMax + 1, kRecordsMark);
  ASSERT_EQ(::send(records_far_, long_one.data(), long_one.size(), 0),
            static_cast<ssize_t>(long_one.size()));
  ASSERT_EQ(send("no batch"), 0);
  ASSERT_EQ(send_settled(1, 7), 0);
  turn_until([&] { return total() > 0; });
  EXPECT_EQ(total(), 7u);
  EXPECT_TRUE(watch_->is_busy());
  EXPECT_EQ(errors_.lines.size(), 2u);
  end();
}

}  // namespace
}  // namespace sluice::control
