// The part of the control thread that gives its place to a successor, or took a predecessor's.
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include <sluice/control/control_thread.h>

namespace sluice::control {
namespace {

// Connections taken before the shards are looked at again, and the pause while one is behind.
constexpr int kTakenAtOnce = 64;
constexpr Duration kBehindPause = milliseconds(1);

UpgradeOutcome refuse(UpgradeResult result, std::string problem) {
  return {.result = result, .problem = std::move(problem), .pid = 0, .version = {}};
}

}  // namespace

Task<UpgradeOutcome> ControlThread::upgrade(Duration patience, std::string_view asked_by) {
  const shard::Gate::Pass pass = gate_.enter();
  if (parts_.succession == nullptr) {
    co_return refuse(UpgradeResult::kFailed, "this process cannot be upgraded; restart it");
  }
  std::string why;
  if (is_handed_over_) why = "this process drains after an upgrade; ask the new one";
  if (why.empty() && drain_.has_begun()) why = "Sluice is draining; start it anew instead";
  if (has_predecessor_) {
    why = "the process before this one still drains; try again when it has ended";
  }
  if (is_upgrading_) why = "another upgrade is running; try again when it has ended";
  if (is_reloading_) why = "a reload is running; try again when it has ended";
  if (!why.empty()) co_return refuse(UpgradeResult::kBusy, std::move(why));

  is_upgrading_ = true;
  parts_.log.write(LogLevel::kInfo, "upgrade",
                   fmt::format("starting the program anew, asked by {}", asked_by));
  UpgradeOutcome outcome = co_await parts_.succession->run(patience);
  is_upgrading_ = false;
  if (outcome.result == UpgradeResult::kDone) {
    parts_.log.write(LogLevel::kInfo, "upgrade",
                     fmt::format("process {} (Sluice {}) serves now; this one ends when its open "
                                 "requests have",
                                 outcome.pid, outcome.version));
  } else {
    parts_.log.write(LogLevel::kError, "upgrade",
                     fmt::format("not upgraded, serving as before: {}", outcome.problem));
  }
  co_return outcome;
}

Task<void> ControlThread::upgrade_on_signal() {
  const UpgradeOutcome outcome = co_await upgrade(Succession::kPatience, "SIGUSR2");
  if (outcome.result == UpgradeResult::kBusy) {
    parts_.log.write(LogLevel::kWarn, "upgrade", "SIGUSR2 refused: " + outcome.problem);
  }
}

void ControlThread::begin_hand_over(upstream::BeginHandOver order, SpendHeir& heir) {
  const Duration timeout = snapshot().drain_timeout;
  if (!drain_.begin(parts_.ring.now(), timeout)) return;
  is_handed_over_ = true;
  parts_.registry.control().draining.set(1);
  send_drain(order);
  hurried_.trigger();
  // The successor speaks for the counts, and tells the reporters.
  if (limits_ != nullptr) io::start_detached(limits_->end());
  if (parts_.usage != nullptr) io::start_detached(parts_.usage->end());
  if (parts_.spend != nullptr) parts_.spend->hand_over(heir);
}

void ControlThread::follow_predecessor(int connections, int records) {
  has_predecessor_ = true;
  io::start_detached(watch_connections(connections));
  io::start_detached(watch_records(records));
}

Task<void> ControlThread::watch_connections(int channel) {
  const shard::Gate::Pass pass = gate_.enter();
  io::Op poll(parts_.ring);
  io::Timer pause(parts_.ring.ready(), parts_.ring.timers());
  while (!connections_over_.is_ready()) {
    if (is_behind()) {
      pause.set(Deadline{parts_.ring.now() + kBehindPause});
      co_await io::first_of(&pause, &connections_over_);
      continue;
    }
    poll.poll(channel, POLLIN);
    co_await io::first_of(&poll, &connections_over_);
    if (poll.is_ready() && !take_those_there(channel)) break;
  }
  while (poll.is_in_flight()) {
    poll.cancel();
    co_await io::first_of(&poll);
  }
  ::close(channel);
}

// Goes on through a drain of this process: what the predecessor serves must be booked.
Task<void> ControlThread::watch_records(int channel) {
  const shard::Gate::Pass pass = gate_.enter();
  io::Op poll(parts_.ring);
  bool has_ended = false;
  while (!records_over_.is_ready() && !has_ended) {
    poll.poll(channel, POLLIN);
    co_await io::first_of(&poll, &records_over_);
    has_ended = poll.is_ready() && !take_records(channel);
  }
  while (poll.is_in_flight()) {
    poll.cancel();
    co_await io::first_of(&poll);
  }
  has_ended = has_ended || !take_records(channel);
  ::close(channel);
  has_predecessor_ = false;
  // Should this process end first, the other one writes the rest itself.
  if (!has_ended) co_return;
  if (parts_.spend != nullptr) parts_.spend->predecessor_ended(parts_.ring.now());
  parts_.log.write(LogLevel::kInfo, "upgrade", "the process before this one has ended");
}

bool ControlThread::take_records(int channel) {
  for (int i = 0; i < kTakenAtOnce; ++i) {
    const auto message = net::receive_descriptors(channel);
    if (!message) return message.error() == EAGAIN;
    const std::string_view text = message->text;
    if (parts_.spend == nullptr || !text.starts_with(kRecordsMark)) continue;
    if (!parts_.spend->take_batch(text.substr(1), parts_.ring.now())) {
      parts_.log.write(LogLevel::kError, "upgrade",
                       "records of the predecessor are not understood; compare its spend with the "
                       "bills of the providers");
    }
  }
  return true;
}

bool ControlThread::take_those_there(int channel) {
  for (int i = 0; i < kTakenAtOnce && !is_behind(); ++i) {
    auto connection = net::take_connection(channel);
    if (!connection && connection.error() == EAGAIN) return true;
    if (!connection && connection.error() == EPIPE) return false;
    // Descriptors may have run out: the client sees a close.
    if (!connection) {
      parts_.log.write(LogLevel::kWarn, "upgrade",
                       "a connection of the predecessor could not be taken");
      return connection.error() != EBADF;
    }
    ShardPort& port = parts_.ports[next_shard_++ % parts_.ports.size()];
    port.send(upstream::TakeConnection{*std::move(connection)});
  }
  return true;
}

}  // namespace sluice::control
