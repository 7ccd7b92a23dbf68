// Deadlines on a hashed hierarchical timer wheel: set, move and clear in constant time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <sluice/base/deadline.h>
#include <sluice/base/intrusive_list.h>
#include <sluice/io/event.h>

namespace sluice::io {

class TimerWheel;

// Becomes ready at the first turn at or after its deadline, at most one tick (about 1 ms) late.
// Moving the deadline later costs one store: the wheel finds out when the old place comes up.
class Timer : public Event, private ListLink {
 public:
  Timer(ReadyQueue& ready, TimerWheel& wheel) noexcept : Event(ready), wheel_(&wheel) {}

  // Replaces the deadline and clears readiness; Deadline::never() disarms.
  void set(Deadline deadline) noexcept;
  void clear() noexcept { set(Deadline::never()); }
  [[nodiscard]] Deadline deadline() const noexcept { return deadline_; }

 private:
  friend class TimerWheel;
  friend class IntrusiveList<Timer>;
  TimerWheel* wheel_;
  Deadline deadline_;
  uint64_t placed_tick_ = 0;  // Tick at which the wheel will look at it; meaningful while linked.
};

// Four levels of 64 slots: 67 ms, 4.3 s, 4.6 min, 4.9 h; what lies beyond is looked at once per
// rotation of the last level. After Varghese and Lauck, "Hashed and Hierarchical Timing
// Wheels", scheme 7.
class TimerWheel {
 public:
  explicit TimerWheel(MonoTime start) noexcept : tick_(tick_of(start)) {}

  // Makes every timer whose deadline has passed ready.
  void advance(MonoTime now) noexcept;
  // When advance() has something to do next; empty when no timer is set.
  [[nodiscard]] std::optional<MonoTime> next_wake() const noexcept;

 private:
  friend class Timer;
  static constexpr uint32_t kLevels = 4;
  static constexpr uint32_t kSlotBits = 6;
  static constexpr uint32_t kSlots = 1u << kSlotBits;
  static constexpr uint32_t kReachBits = kSlotBits * kLevels;
  static constexpr uint32_t kTickShift = 20;  // 2^20 ns = 1.05 ms; a shift instead of a division.

  [[nodiscard]] static uint64_t tick_of(MonoTime time) noexcept {
    return static_cast<uint64_t>(time.time_since_epoch().count()) >> kTickShift;
  }
  [[nodiscard]] static uint64_t tick_after(MonoTime time) noexcept {
    return (static_cast<uint64_t>(time.time_since_epoch().count()) + (1u << kTickShift) - 1) >>
           kTickShift;
  }
  // Puts `timer` where it will be looked at, not before `tick_min`.
  void place(Timer& timer, uint64_t tick_min) noexcept;
  void open(IntrusiveList<Timer>& list, MonoTime now) noexcept;
  // The next tick at which a slot must be opened.
  [[nodiscard]] std::optional<uint64_t> next_tick() const noexcept;

  uint64_t tick_;  // Every tick up to and including this one has been handled.
  std::array<uint64_t, kLevels> occupied_{};  // One bit per slot; may be set for an emptied slot.
  std::array<std::array<IntrusiveList<Timer>, kSlots>, kLevels> slots_;
  IntrusiveList<Timer> beyond_;  // Past the last level's rotation.
};

}  // namespace sluice::io
