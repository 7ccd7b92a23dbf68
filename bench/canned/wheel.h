// When each paced stream is due: all have one period, their phases lie evenly over it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sluice::canned {

// What turns on the wheel; a stream derives from it.
struct Spoke {
  Spoke* before = nullptr;
  Spoke* after = nullptr;
};

class Wheel {
 public:
  static constexpr size_t kSlots = 1024;

  explicit Wheel(int64_t period_ns) noexcept : period_ns_(period_ns) {
    for (Spoke& slot : slots_) slot.before = slot.after = &slot;
  }
  Wheel(const Wheel&) = delete;
  Wheel& operator=(const Wheel&) = delete;

  // First due within a period from now, and then once in each.
  void add(Spoke& spoke, int64_t now_ns) noexcept {
    if (count_++ == 0) next_ = slot_at(now_ns) + 1;
    // Odd, near the golden section: any number of neighbours in time lies evenly.
    constexpr size_t kStride = 633;
    Spoke& slot = slots_[added_++ * kStride % kSlots];
    spoke.before = slot.before;
    spoke.after = &slot;
    slot.before->after = &spoke;
    slot.before = &spoke;
  }
  void remove(Spoke& spoke) noexcept {
    spoke.before->after = spoke.after;
    spoke.after->before = spoke.before;
    spoke = {};
    --count_;
  }

  // How long until the next is due; empty without any.
  [[nodiscard]] std::optional<int64_t> wait_ns(int64_t now_ns) const noexcept {
    if (count_ == 0) return std::nullopt;
    uint64_t at = next_;
    while (slots_[at % kSlots].after == &slots_[at % kSlots]) ++at;
    const int64_t wait = due_ns(at) - now_ns;
    return wait > 0 ? wait : 0;
  }

  // Hands each that is due to `fire`, which may remove it. What is more than a period late is due
  // once only.
  template <typename Fire>
  void turn(int64_t now_ns, Fire&& fire) {
    const uint64_t end = slot_at(now_ns) + 1;
    if (count_ == 0 || next_ >= end) return;
    if (end - next_ > kSlots) next_ = end - kSlots;
    for (; next_ < end; ++next_) {
      Spoke& slot = slots_[next_ % kSlots];
      for (Spoke* spoke = slot.after; spoke != &slot;) {
        Spoke* after = spoke->after;
        fire(*spoke);
        spoke = after;
      }
    }
  }

 private:
  // Slots are counted from the clock's zero on.
  [[nodiscard]] uint64_t slot_at(int64_t now_ns) const noexcept {
    const int64_t turns = now_ns / period_ns_, rest = now_ns % period_ns_;
    return static_cast<uint64_t>(turns) * kSlots +
           static_cast<uint64_t>(rest) * kSlots / period_ns_;
  }
  [[nodiscard]] int64_t due_ns(uint64_t slot) const noexcept {
    const int64_t in_turn = static_cast<int64_t>(slot % kSlots) * period_ns_;
    constexpr int64_t kRoundUp = kSlots - 1;
    return static_cast<int64_t>(slot / kSlots) * period_ns_ +
           (in_turn + kRoundUp) / static_cast<int64_t>(kSlots);
  }

  int64_t period_ns_;
  std::array<Spoke, kSlots> slots_;
  uint64_t next_ = 0;  // The first slot that has not had its turn.
  uint64_t added_ = 0;
  size_t count_ = 0;
};

}  // namespace sluice::canned
