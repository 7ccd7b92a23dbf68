#include "sim_threads.h"

#include <algorithm>

#include <sluice/base/assert.h>

namespace sluice::support {

void SimThreads::Seat::rest(std::optional<MonoTime> time) {
  // Before its thread runs and after it, a ring turns without waiting.
  if (fiber == nullptr || !fiber->is_running()) return;
  until = time;
  fiber->pause();
}

bool SimThreads::Seat::is_ready(MonoTime now) {
  if (fiber == nullptr || fiber->has_ended()) return false;
  if (!fiber->has_begun()) return true;
  return kernel->has_completion() || (until && *until <= now);
}

SimThreads::~SimThreads() = default;

SimKernel& SimThreads::make_kernel(SimProcess& process) {
  seats_.push_back(std::make_unique<Seat>());
  Seat& seat = *seats_.back();
  seat.kernel = world_.make_kernel(process.files);
  seat.kernel->set_bed(&seat);
  return *seat.kernel;
}

void SimThreads::start(SimKernel& kernel, std::function<void()> body) {
  const auto seat =
      std::ranges::find(seats_, &kernel, [](const auto& s) { return s->kernel.get(); });
  SLUICE_ASSERT(seat != seats_.end());
  (*seat)->fiber = std::make_unique<SimFiber>(std::move(body));
}

bool SimThreads::has_ended(const SimKernel& kernel) const {
  const auto seat =
      std::ranges::find(seats_, &kernel, [](const auto& s) { return s->kernel.get(); });
  SLUICE_ASSERT(seat != seats_.end());
  return (*seat)->fiber == nullptr || (*seat)->fiber->has_ended();
}

bool SimThreads::pass_time() {
  std::optional<MonoTime> next = world_.events().next();
  for (const auto& seat : seats_) {
    if (seat->fiber == nullptr || seat->fiber->has_ended() || !seat->until) continue;
    if (!next || *seat->until < *next) next = seat->until;
  }
  if (!next) return false;
  world_.clock().advance_to(*next);
  world_.events().run_due();
  return true;
}

bool SimThreads::step() {
  ++steps_;
  ready_.clear();
  for (const auto& seat : seats_) {
    if (seat->is_ready(world_.clock().now())) ready_.push_back(seat.get());
  }
  if (ready_.empty()) return pass_time();
  ready_[prng_.below(ready_.size())]->fiber->resume();
  return true;
}

bool SimThreads::run_until(const std::function<bool()>& is_done, uint64_t steps_max) {
  const uint64_t last = steps_ + steps_max;
  while (!is_done()) {
    if (!step()) {
      ADD_FAILURE() << "stuck: nothing is scheduled, and what is armed waits for ever"
                    << describe();
      return false;
    }
    if (when_stepped) when_stepped();
    const bool spins =
        std::ranges::any_of(seats_, [](const auto& seat) { return seat->kernel->is_stuck(); });
    if (!spins && steps_ < last) continue;
    ADD_FAILURE() << (spins ? "somebody spins" : "not done after all steps") << describe();
    return false;
  }
  return true;
}

std::string SimThreads::describe() const {
  std::string text;
  const auto in_us = [](MonoTime time) {
    return std::to_string(time.time_since_epoch().count() / 1000) + " us";
  };
  for (const auto& seat : seats_) {
    text += "\n  a thread";
    if (seat->fiber == nullptr || !seat->fiber->has_begun()) {
      text += " that has not begun";
    } else if (seat->fiber->has_ended()) {
      text += " that has ended";
    } else {
      text += seat->until ? " that waits until " + in_us(*seat->until) : " that waits for ever";
      text += seat->kernel->describe();
    }
  }
  return text;
}

}  // namespace sluice::support
