// The part of the control thread that gives its place to a successor, or took a predecessor's.
#include <utility>

#include <fmt/format.h>

#include <sluice/control/control_thread.h>

namespace sluice::control {
namespace {

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
  if (predecessor_.is_busy()) {
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
  if (limits_ != nullptr) io::start_detached(limits_->leave());
  if (parts_.usage != nullptr) io::start_detached(parts_.usage->end());
  if (parts_.spend != nullptr) parts_.spend->hand_over(heir);
}

void ControlThread::follow_predecessor(int connections, int records) {
  predecessor_.start(connections, records);
}

}  // namespace sluice::control
