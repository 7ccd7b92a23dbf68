#include <sluice/io/timer.h>

#include <algorithm>
#include <bit>

namespace sluice::io {

void Timer::set(Deadline deadline) noexcept {
  reset();
  deadline_ = deadline;
  if (deadline.is_never()) {
    unlink();
    return;
  }
  // Later than where it lies: the wheel will find out and place it again (lazy touch).
  if (is_linked() && TimerWheel::tick_after(deadline.at) >= placed_tick_) return;
  unlink();
  wheel_->place(*this, wheel_->tick_ + 1);
}

void TimerWheel::place(Timer& timer, uint64_t tick_min) noexcept {
  const uint64_t tick = std::max(tick_after(timer.deadline_.at), tick_min);
  timer.placed_tick_ = tick;
  // The highest bit in which the tick differs from the present one names the level: up to there
  // both lie in the same rotation, so a slot never holds timers of two rotations.
  const uint64_t differing = (tick ^ tick_) | (kSlots - 1);
  const auto level = static_cast<uint32_t>(63 - std::countl_zero(differing)) / kSlotBits;
  if (level >= kLevels) {
    beyond_.push_back(timer);
    return;
  }
  const auto slot = static_cast<uint32_t>(tick >> (kSlotBits * level)) & (kSlots - 1);
  slots_[level][slot].push_back(timer);
  occupied_[level] |= uint64_t{1} << slot;
}

void TimerWheel::open(IntrusiveList<Timer>& list, MonoTime now) noexcept {
  IntrusiveList<Timer> due;
  due.splice_back(list);
  while (Timer* timer = due.pop_front()) {
    if (timer->deadline_.has_passed(now)) {
      timer->trigger();
    } else {
      // The present tick's own slot of level 0 has not been opened yet when a higher level is.
      place(*timer, std::max(tick_after(timer->deadline_.at), tick_));
    }
  }
}

std::optional<uint64_t> TimerWheel::next_tick() const noexcept {
  for (uint32_t level = 0; level < kLevels; ++level) {
    const uint64_t position = tick_ >> (kSlotBits * level);
    const auto slot = static_cast<uint32_t>(position & (kSlots - 1));
    const uint64_t ahead = slot + 1 < kSlots ? occupied_[level] >> (slot + 1) : 0;
    if (ahead == 0) continue;
    return (position + static_cast<uint64_t>(std::countr_zero(ahead)) + 1) << (kSlotBits * level);
  }
  if (beyond_.empty()) return std::nullopt;
  return ((tick_ >> kReachBits) + 1) << kReachBits;
}

void TimerWheel::advance(MonoTime now) noexcept {
  const uint64_t target = tick_of(now);
  while (tick_ < target) {
    const std::optional<uint64_t> next = next_tick();
    if (!next || *next > target) {
      tick_ = target;
      return;
    }
    tick_ = *next;
    if ((tick_ & ((uint64_t{1} << kReachBits) - 1)) == 0) open(beyond_, now);
    for (uint32_t level = kLevels; level-- > 0;) {
      const uint32_t shift = kSlotBits * level;
      if ((tick_ & ((uint64_t{1} << shift) - 1)) != 0) continue;
      const auto slot = static_cast<uint32_t>(tick_ >> shift) & (kSlots - 1);
      occupied_[level] &= ~(uint64_t{1} << slot);
      open(slots_[level][slot], now);
    }
  }
}

std::optional<MonoTime> TimerWheel::next_wake() const noexcept {
  const std::optional<uint64_t> tick = next_tick();
  if (!tick) return std::nullopt;
  return MonoTime{Duration{static_cast<int64_t>(*tick << kTickShift)}};
}

}  // namespace sluice::io
