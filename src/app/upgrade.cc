#include "upgrade.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include <sluice/base/units.h>
#include <sluice/io/op.h>
#include <sluice/io/timer.h>
#include <sluice/net/descriptor_message.h>

namespace sluice::app {
namespace {

void close_fd(int& fd) noexcept {
  if (fd >= 0) ::close(std::exchange(fd, -1));
}

bool has_input(int fd) noexcept {
  pollfd watched{.fd = fd, .events = POLLIN, .revents = 0};
  return fd >= 0 && ::poll(&watched, 1, 0) > 0;
}

// Whether the other end has been closed, as far as nothing is there to be read.
bool has_peer_gone(int fd) noexcept {
  char byte = 0;
  const ssize_t count = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format(
        "the new process was killed by signal {} before it could serve; its log "
        "lines say how far it came",
        WTERMSIG(status));
  }
  return fmt::format(
      "the new process ended with status {} before it could serve; its log lines "
      "say why",
      WEXITSTATUS(status));
}

}  // namespace

Upgrade::Upgrade(io::Ring& ring, const Starter* starter, std::string why_not, Estate& estate)
    : ring_(ring), starter_(starter), why_not_(std::move(why_not)), estate_(estate) {}

Upgrade::~Upgrade() { close_channels(); }

void Upgrade::close_channels() noexcept {
  close_fd(channel_);
  close_fd(connections_);
  close_fd(connections_far_);
}

Task<control::UpgradeOutcome> Upgrade::run(Duration patience) {
  using control::UpgradeResult;
  control::UpgradeOutcome outcome{.result = UpgradeResult::kFailed};
  if (starter_ == nullptr) {
    outcome.problem = why_not_;
    co_return outcome;
  }
  is_given_up_ = is_started_ = has_ended_ = is_asked_ = has_given_ = false;
  word_.reset();
  forget_reports();
  const Deadline deadline = Deadline::after(ring_.now(), patience);
  outcome.problem = co_await start(deadline);
  if (outcome.problem.empty()) outcome.problem = co_await hand_over(deadline);
  if (outcome.problem.empty()) outcome.problem = co_await stop_writing(deadline);
  if (is_given_up_) outcome.problem = why_over();
  if (!outcome.problem.empty()) {
    co_await end_successor();
    estate_.keep_estate();
    close_channels();
    co_return outcome;
  }
  // From here on there is no way back: this process stops before the other begins.
  estate_.leave_estate(word_->takes, std::exchange(connections_, -1), *this);
  (void)net::send_descriptors(channel_, go_text(), {});
  outcome = {.result = UpgradeResult::kDone, .problem = {}, .pid = pid_, .version = version_};
  co_return outcome;
}

Task<Upgrade::Turn> Upgrade::wait(Deadline deadline) {
  io::Timer timer(ring_.ready(), ring_.timers());
  for (;;) {
    if (has_input(channel_)) co_return Turn::kWord;
    if (has_input(starter_->channel())) co_return Turn::kStarter;
    if (is_given_up_ || deadline.has_passed(ring_.now())) co_return Turn::kLate;
    timer.set(Deadline{ring_.now() + kLook}.sooner(deadline));
    co_await io::first_of(&timer);
  }
}

std::string Upgrade::why_over() const {
  if (is_given_up_) return "Sluice was told to drain meanwhile";
  return "the new process did not serve in time; look at its log lines, or allow it more "
         "(`sluicectl "
         "upgrade --timeout`)";
}

Task<std::string> Upgrade::start(Deadline deadline) {
  if (!starter_->order_start()) {
    co_return "the process that starts others is gone; restart Sluice to upgrade it";
  }
  const Deadline soon = Deadline{ring_.now() + kStarterPatience}.sooner(deadline);
  while (!is_started_) {
    const Turn turn = co_await wait(soon);
    if (turn == Turn::kLate)
      co_return "the process that starts others does not answer; restart Sluice to upgrade it";
    if (std::string problem = hear_starter(); !problem.empty()) co_return problem;
  }
  co_return std::string();
}

// What an earlier upgrade did not wait for; a successor that was started late ends with its
// channel.
void Upgrade::forget_reports() noexcept {
  for (int i = 0; i < kOldReportsMost; ++i) {
    if (!net::receive_descriptors(starter_->channel())) return;
  }
}

std::string Upgrade::look_at_successor() {
  std::string problem;
  if (has_input(channel_)) problem = hear_successor();
  if (problem.empty() && has_input(starter_->channel())) problem = hear_starter();
  if (problem.empty() && channel_ < 0) {
    problem = "the new process ended before it could serve; its log lines say why";
  }
  return problem;
}

std::string Upgrade::hear_starter() {
  auto message = net::receive_descriptors(starter_->channel());
  if (!message && message.error() == EAGAIN) return {};
  if (!message || !read_report(message->text, last_)) {
    return "the process that starts others is gone; restart Sluice to upgrade it";
  }
  switch (last_.kind) {
    case StarterReport::Kind::kFailed:
      return fmt::format("no process could be started: {}", std::strerror(last_.status));
    case StarterReport::Kind::kEnded:
      // Of an upgrade before this one.
      if (!is_started_ || last_.pid != pid_) return {};
      has_ended_ = true;
      return describe_end(last_.status);
    case StarterReport::Kind::kStarted: break;
  }
  if (message->fds.size() != 3 || is_started_)
    return "the process that starts others is out of step";
  close_channels();
  channel_ = message->fds[0];
  connections_ = message->fds[1];
  connections_far_ = message->fds[2];
  message->fds.clear();
  pid_ = last_.pid;
  is_started_ = true;
  return {};
}

Task<std::string> Upgrade::hand_over(Deadline deadline) {
  for (;;) {
    const Turn turn = co_await wait(deadline);
    if (turn == Turn::kLate) co_return why_over();
    // What the successor said itself comes first: its end says less.
    std::string problem = turn == Turn::kWord ? hear_successor() : hear_starter();
    if (problem.empty() && is_asked_ && !has_given_) {
      problem = co_await close_books(deadline);
      if (problem.empty()) problem = give();
    }
    if (!problem.empty()) co_return problem;
    if (word_ && word_->kind == SuccessorWord::Kind::kReady) co_return std::string();
  }
}

std::string Upgrade::hear_successor() {
  const auto message = net::receive_descriptors(channel_);
  if (!message && message.error() == EAGAIN) return {};
  if (!message) {
    // It has ended; the starter says how.
    close_fd(channel_);
    return {};
  }
  auto word = read_successor_word(message->text);
  if (!word) return std::move(word.error());
  switch (word->kind) {
    case SuccessorWord::Kind::kFailed: return "the new process says: " + word->problem;
    case SuccessorWord::Kind::kPrepared:
      if (is_asked_) return "the new process is out of step";
      version_ = word->version;
      is_asked_ = true;
      return {};
    case SuccessorWord::Kind::kReady:
      if (!has_given_ || word_) return "the new process is out of step";
      word_ = std::move(*word);
      return {};
  }
  return {};
}

Task<std::string> Upgrade::close_books(Deadline deadline) {
  io::Timer timer(ring_.ready(), ring_.timers());
  estate_.close_books();
  for (;;) {
    if (estate_.is_at_rest()) co_return std::string();
    if (is_given_up_) co_return why_over();
    if (deadline.has_passed(ring_.now())) {
      co_return "the disk did not take what was recorded in time; look at the log, and try again";
    }
    timer.set(Deadline{ring_.now() + kLook});
    co_await io::first_of(&timer);
  }
}

Task<std::string> Upgrade::stop_writing(Deadline deadline) {
  io::Timer timer(ring_.ready(), ring_.timers());
  estate_.stop_writing();
  for (;;) {
    const auto has_stopped = estate_.has_stopped();
    if (!has_stopped) co_return has_stopped.error();
    // It may have ended while it waited, and nobody would serve.
    if (std::string problem = look_at_successor(); !problem.empty()) co_return problem;
    if (*has_stopped) co_return std::string();
    if (is_given_up_) co_return why_over();
    if (deadline.has_passed(ring_.now())) {
      co_return "the disk did not take what was recorded in time; look at the log, and try again";
    }
    timer.set(Deadline{ring_.now() + kSoonLook});
    co_await io::first_of(&timer);
  }
}

control::SpendHeir::Fate Upgrade::take(std::string_view batch) {
  std::string text(1, control::kRecordsMark);
  text += batch;
  const int error = net::send_descriptors(channel_, text, {});
  if (error == 0) return Fate::kTaken;
  // One that drains takes no more, but writes until its end of the channel is gone.
  return has_peer_gone(channel_) ? Fate::kGone : Fate::kLater;
}

std::string Upgrade::give() {
  auto given = estate_.open_estate();
  if (!given) return std::move(given.error());
  has_given_ = true;
  given->descriptors.push_back({std::string(given::kConnections), "", connections_far_});
  std::vector<int> fds;
  for (const GivenDescriptor& item : given->descriptors) fds.push_back(item.fd);
  if (fds.size() > net::kMessageDescriptorsMax) {
    return fmt::format("{} sockets do not fit into one message; use fewer shards, or restart",
                       fds.size());
  }
  const int error = net::send_descriptors(channel_, hand_over_text(*given), fds);
  if (error != 0) {
    return fmt::format("the sockets cannot be passed on: {}", std::strerror(error));
  }
  close_fd(connections_far_);
  return {};
}

// This process may end before it comes to end_successor(): a second signal ends it at once.
void Upgrade::give_up() noexcept {
  is_given_up_ = true;
  tell_to_end();
}

void Upgrade::tell_to_end() noexcept {
  if (channel_ >= 0) (void)net::send_descriptors(channel_, R"({"kind":"stop"})", {});
  if (starter_ != nullptr) (void)starter_->order_kill();
}

Task<void> Upgrade::end_successor() {
  // One that is started late ends by the order to the starter.
  if (!is_given_up_) tell_to_end();
  // The channel stays open until it has ended: its end alone would look like this process's death.
  if (!is_started_ || has_ended_) co_return;
  const Deadline soon = Deadline{ring_.now() + kStarterPatience};
  io::Timer timer(ring_.ready(), ring_.timers());
  while (!has_ended_ && !soon.has_passed(ring_.now())) {
    if (has_input(starter_->channel())) {
      if (const std::string said = hear_starter(); has_ended_ || said.contains("gone")) break;
    }
    timer.set(Deadline{ring_.now() + kLook});
    co_await io::first_of(&timer);
  }
}

}  // namespace sluice::app
