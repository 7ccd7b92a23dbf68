// Fake time, and what is to happen in it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include <sluice/base/assert.h>
#include <sluice/base/clock.h>

namespace sluice::support {

// Moves only when the simulation says so.
class SimClock final : public Clock {
 public:
  [[nodiscard]] MonoTime now() noexcept override { return now_; }
  [[nodiscard]] WallTime wall() noexcept override {
    return {1'750'000'000'000'000 + now_.time_since_epoch().count() / 1000};
  }
  void advance(Duration by) noexcept { now_ += by; }
  // Never backwards.
  void advance_to(MonoTime time) noexcept {
    if (time > now_) now_ = time;
  }

 private:
  MonoTime now_{seconds(1000)};
};

// Actions by time; those of one instant run in the order they were scheduled.
class EventQueue {
 public:
  using Action = std::move_only_function<void()>;

  explicit EventQueue(SimClock& clock) noexcept : clock_(clock) {}

  void at(MonoTime time, Action action) {
    actions_.emplace(std::pair(time, ++sequence_), std::move(action));
  }
  void after(Duration delay, Action action) { at(clock_.now() + delay, std::move(action)); }
  [[nodiscard]] std::optional<MonoTime> next() const {
    if (actions_.empty()) return std::nullopt;
    return actions_.begin()->first.first;
  }
  // Runs everything due by now, also what it schedules for now.
  void run_due() {
    while (!actions_.empty() && actions_.begin()->first.first <= clock_.now()) {
      auto node = actions_.extract(actions_.begin());
      node.mapped()();
    }
  }
  [[nodiscard]] size_t size() const noexcept { return actions_.size(); }

 private:
  SimClock& clock_;
  std::map<std::pair<MonoTime, uint64_t>, Action> actions_;
  uint64_t sequence_ = 0;
};

}  // namespace sluice::support
