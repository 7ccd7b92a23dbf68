#include "upgrade.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <sluice/net/descriptor_message.h>

#include "sim_world.h"

namespace sluice::app {
namespace {

using control::UpgradeOutcome;
using control::UpgradeResult;
using support::SimWorld;

struct Pair {
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()), 0);
    near = fds[0];
    far = fds[1];
  }
  ~Pair() {
    close(near);
    close(far);
  }
  static void close(int& fd) {
    if (fd >= 0) ::close(std::exchange(fd, -1));
  }
  int near = -1;
  int far = -1;
};

class RecordingEstate final : public Estate {
 public:
  void close_books() override { steps += "c"; }
  bool is_at_rest() override { return true; }
  void stop_writing() override { steps += "s"; }
  std::expected<bool, std::string> has_stopped() override {
    if (on_look) on_look();
    return is_stopped;
  }
  std::expected<HandOver, std::string> open_estate() override {
    steps += "o";
    return HandOver{.version = "1", .generation = 1, .descriptors = {}};
  }
  void keep_estate() override { steps += "k"; }
  void leave_estate(std::span<const std::string>, int connections,
                    control::SpendHeir& given) override {
    steps += "l";
    channel = connections;
    heir = &given;
  }
  std::string steps;
  std::function<void()> on_look;
  bool is_stopped = true;
  int channel = -1;
  control::SpendHeir* heir = nullptr;
};

// Plays the starter and the successor.
class UpgradeTest : public ::testing::Test {
 protected:
  ~UpgradeTest() override { Pair::close(estate_.channel); }

  void begin() { io::start_detached(run()); }
  Task<void> run() { outcome_ = co_await upgrade_.run(seconds(50)); }
  void turn_until(const std::function<bool()>& is_done) {
    ASSERT_TRUE(world_.run_until(ring_, is_done));
  }
  // The next order that the starter has, 0 when there is none.
  char order() {
    char order = 0;
    return ::recv(starter_.far, &order, 1, MSG_DONTWAIT) == 1 ? order : '\0';
  }
  void report(StarterReport report, std::span<const int> fds = {}) {
    const std::string_view text(reinterpret_cast<const char*>(&report), sizeof report);
    ASSERT_EQ(net::send_descriptors(starter_.far, text, fds), 0);
  }
  void report_start(Pair& channel, Pair& connections, int32_t pid) {
    const std::array fds = {channel.near, connections.near, connections.far};
    report({.kind = StarterReport::Kind::kStarted, .pid = pid, .status = 0}, fds);
    Pair::close(channel.near);
  }
  void report_end(int32_t pid) {
    report({.kind = StarterReport::Kind::kEnded, .pid = pid, .status = 9});
  }
  void say(const std::string& text) { ASSERT_EQ(net::send_descriptors(channel_.far, text, {}), 0); }
  std::string hear() {
    const auto message = net::receive_descriptors(channel_.far);
    return message ? message->text : "";
  }
  // Up to where the successor has what it asked for.
  void hand_over() {
    begin();
    turn_until([&] { return order() == 'S'; });
    report_start(channel_, connections_, 7);
    say(prepared_text("2"));
    turn_until([&] { return hear().contains("hand_over"); });
  }

  SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 4, .most = 16}};
  Pair starter_;
  Pair channel_;
  Pair connections_;
  Starter starter_end_{std::exchange(starter_.near, -1)};
  RecordingEstate estate_;
  Upgrade upgrade_{ring_, &starter_end_, "", estate_};
  std::optional<UpgradeOutcome> outcome_;
};

TEST_F(UpgradeTest, what_a_successor_is_given_and_told_in_which_order) {
  hand_over();
  say(ready_text(std::vector<std::string>{"listener"}));
  turn_until([&] { return outcome_.has_value(); });
  EXPECT_EQ(outcome_->result, UpgradeResult::kDone);
  EXPECT_EQ(outcome_->pid, 7);
  EXPECT_EQ(outcome_->version, "2");
  EXPECT_EQ(estate_.steps, "cosl");
  EXPECT_TRUE(is_go(hear()));
}

TEST_F(UpgradeTest, one_that_dies_while_it_waits_ready_is_no_successor) {
  hand_over();
  estate_.is_stopped = false;
  estate_.on_look = [this] {
    Pair::close(channel_.far);
    report_end(7);
    estate_.is_stopped = true;
    estate_.on_look = nullptr;
  };
  say(ready_text({}));
  turn_until([&] { return outcome_.has_value(); });
  EXPECT_EQ(outcome_->result, UpgradeResult::kFailed);
  EXPECT_TRUE(outcome_->problem.contains("before it could serve")) << outcome_->problem;
  EXPECT_EQ(estate_.steps, "cosk");
}

TEST_F(UpgradeTest, one_that_speaks_where_it_should_wait_is_ended) {
  hand_over();
  estate_.is_stopped = false;
  estate_.on_look = [this] { say(ready_text({})); };
  say(ready_text({}));
  turn_until([&] { return order() == 'K'; });
  estate_.on_look = nullptr;
  report_end(7);
  turn_until([&] { return outcome_.has_value(); });
  EXPECT_EQ(outcome_->result, UpgradeResult::kFailed);
  EXPECT_TRUE(outcome_->problem.contains("out of step")) << outcome_->problem;
}

TEST_F(UpgradeTest, what_the_starter_said_too_late_is_not_of_the_next_upgrade) {
  begin();
  turn_until([&] { return outcome_.has_value(); });
  EXPECT_TRUE(outcome_->problem.contains("does not answer")) << outcome_->problem;
  EXPECT_EQ(order(), 'S');
  EXPECT_EQ(order(), 'K');
  Pair late, late_connections;
  report_start(late, late_connections, 6);
  report_end(6);
  outcome_.reset();
  hand_over();
  say(ready_text({}));
  turn_until([&] { return outcome_.has_value(); });
  EXPECT_EQ(outcome_->result, UpgradeResult::kDone);
  EXPECT_EQ(outcome_->pid, 7);
}

TEST_F(UpgradeTest, a_process_that_is_told_to_end_tells_its_successor_at_once) {
  hand_over();
  upgrade_.give_up();
  // Without another turn: there may be none.
  EXPECT_TRUE(hear().contains("stop"));
  EXPECT_EQ(order(), 'K');
  report_end(7);
  turn_until([&] { return outcome_.has_value(); });
  EXPECT_TRUE(outcome_->problem.contains("told to drain")) << outcome_->problem;
  EXPECT_EQ(estate_.steps, "cok");
}

TEST_F(UpgradeTest, a_successor_that_drains_is_behind_until_its_end) {
  hand_over();
  say(ready_text({}));
  turn_until([&] { return outcome_.has_value(); });
  control::SpendHeir& heir = *estate_.heir;
  EXPECT_TRUE(is_go(hear()));
  EXPECT_EQ(heir.take("a"), control::SpendHeir::Fate::kTaken);
  EXPECT_EQ(hear(), "Ra");
  // It still writes what it was given: the files are not the predecessor's yet.
  ::shutdown(channel_.far, SHUT_RD);
  EXPECT_EQ(heir.take("b"), control::SpendHeir::Fate::kLater);
  Pair::close(channel_.far);
  EXPECT_EQ(heir.take("b"), control::SpendHeir::Fate::kGone);
}

TEST_F(UpgradeTest, a_full_channel_is_no_end) {
  hand_over();
  say(ready_text({}));
  turn_until([&] { return outcome_.has_value(); });
  const std::string batch(control::SpendHeir::kBatchBytes, 'x');
  control::SpendHeir::Fate fate = control::SpendHeir::Fate::kTaken;
  for (int i = 0; i < 10'000 && fate == control::SpendHeir::Fate::kTaken; ++i) {
    fate = estate_.heir->take(batch);
  }
  EXPECT_EQ(fate, control::SpendHeir::Fate::kLater);
}

}  // namespace
}  // namespace sluice::app
