// What the gateway tells its supervisor, and what it was given by it.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gateway.h"

namespace sluice::app {
namespace {

// Between two looks at whether a drain has begun; shorter where the watchdog asks for more.
constexpr Duration kLook = milliseconds(500);
// Signs of life within the watchdog's time, so that one that is late does no harm.
constexpr int64_t kSignsWithin = 4;

}  // namespace

Gateway::Step Gateway::meet_supervisor() {
  notice_ = ServiceNotice::from_environment();
  if (!notice_.problem().empty()) warnings_.push_back(notice_.problem());
  auto passed = take_passed_sockets();
  if (!passed) return std::unexpected(std::move(passed.error()));
  passed_ = std::move(*passed);
  const config::Snapshot& config = *loaded_.snapshot;
  if (passed_.metrics >= 0 && !config.metrics) {
    return std::unexpected(
        "a socket named `metrics` was passed and metrics.listen is not set; set it, or pass none");
  }
  if (passed_.admin >= 0 && config.admin_socket.empty()) {
    return std::unexpected(
        "a socket named `admin` was passed and admin.socket is off; set it, or pass none");
  }
  return {};
}

void Gateway::say_ready() {
  if (!notice_.is_heard()) return;
  // After an upgrade the supervisor learns whom it supervises now.
  const std::string who = took_over_ ? fmt::format("MAINPID={}\n", ::getpid()) : std::string();
  notice_.say(fmt::format("{}READY=1\nSTATUS=serving on {}, configuration {}", who,
                          listeners_.address.to_text(), control_->snapshot().generation));
}

// Whether each shard has read the last question from its mailbox; then each is asked again. A shard
// that hangs in one turn reads nothing, and an idle one is woken by it.
bool Gateway::ask_shards() {
  const bool have_answered = std::ranges::none_of(
      seats_, [](const auto& seat) { return seat->link.commands.has_message(); });
  if (have_answered) {
    for (control::ShardPort& port : ports_) port.send(upstream::LookForPlaces{});
  }
  return have_answered;
}

Task<void> Gateway::report_to_supervisor() {
  io::Timer pause(ring_->ready(), ring_->timers());
  report_pause_ = &pause;
  const Duration gap = notice_.watchdog() > Duration{0} ? notice_.watchdog() / kSignsWithin : kLook;
  bool has_said_end = false;
  Deadline next_sign = Deadline::after(ring_->now(), gap);
  while (!is_over_) {
    pause.set(Deadline::after(ring_->now(), std::min(kLook, gap)));
    co_await io::first_of(&pause);
    // The successor speaks for the service.
    if (control_->is_handed_over()) continue;
    if (control_->is_draining() && !std::exchange(has_said_end, true)) {
      notice_.say("STOPPING=1\nSTATUS=draining");
    }
    if (notice_.watchdog() == Duration{0} || !next_sign.has_passed(ring_->now())) continue;
    next_sign = Deadline::after(ring_->now(), gap);
    // Shards that have drained answer no more; control itself ends a drain that does not.
    if (control_->is_draining() || ask_shards()) notice_.say("WATCHDOG=1");
  }
  report_pause_ = nullptr;
}

void Gateway::begin_reports() {
  if (!notice_.is_heard()) return;
  io::start_detached(report_to_supervisor());
}

Task<void> Gateway::end_reports() {
  is_over_ = true;
  io::Timer pause(ring_->ready(), ring_->timers());
  while (report_pause_ != nullptr) {
    report_pause_->set(Deadline{ring_->now()});
    pause.set(Deadline::after(ring_->now(), milliseconds(1)));
    co_await io::first_of(&pause);
  }
}

}  // namespace sluice::app
