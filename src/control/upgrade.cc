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

void ControlThread::begin_hand_over(upstream::BeginHandOver order) {
  const Duration timeout = snapshot().drain_timeout;
  if (!drain_.begin(parts_.ring.now(), timeout)) return;
  is_handed_over_ = true;
  parts_.registry.control().draining.set(1);
  send_drain(order);
  hurried_.trigger();
}

void ControlThread::take_connections(int channel) {
  io::start_detached(watch_predecessor(channel));
}

Task<void> ControlThread::watch_predecessor(int channel) {
  const shard::Gate::Pass pass = gate_.enter();
  io::Op poll(parts_.ring);
  io::Timer pause(parts_.ring.ready(), parts_.ring.timers());
  while (!signals_over_.is_ready()) {
    if (is_behind()) {
      pause.set(Deadline{parts_.ring.now() + kBehindPause});
      co_await io::first_of(&pause, &signals_over_);
      continue;
    }
    poll.poll(channel, POLLIN);
    co_await io::first_of(&poll, &signals_over_);
    if (poll.is_ready() && !take_those_there(channel)) break;
  }
  while (poll.is_in_flight()) {
    poll.cancel();
    co_await io::first_of(&poll);
  }
  ::close(channel);
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
