// How many answers a shard of the server makes at a time, and who waits for a turn.
#pragma once

#include <cstdint>

#include <sluice/base/intrusive_list.h>
#include <sluice/io/event.h>

namespace sluice::sim {

// First come, first served. Owned by one shard and used only on it.
class Slots {
 public:
  // A request in line; `granted` triggers when it has been given a slot. Leaves the line when it
  // dies, but gives back no slot.
  struct Waiter : ListLink {
    explicit Waiter(io::ReadyQueue& ready) noexcept : granted(ready) {}
    io::Event granted;
  };

  // False when all of `limit` are taken or others wait; 0 is no limit. give_back() for each true.
  [[nodiscard]] bool take(uint32_t limit) noexcept {
    limit_ = limit;
    serve_line();
    if (!has_room()) return false;
    ++taken_;
    return true;
  }
  // Puts it at the end of the line; false when `length_max` wait already.
  [[nodiscard]] bool wait(Waiter& waiter, uint32_t length_max) noexcept {
    if (waiting_ >= length_max) return false;
    line_.push_back(waiter);
    ++waiting_;
    return true;
  }
  // One that leaves without a slot; give_back() when it has one already.
  void leave(Waiter& waiter) noexcept {
    if (!waiter.is_linked()) return;
    waiter.unlink();
    --waiting_;
  }
  void give_back() noexcept {
    --taken_;
    serve_line();
  }

 private:
  [[nodiscard]] bool has_room() const noexcept { return limit_ == 0 || taken_ < limit_; }
  void serve_line() noexcept {
    while (has_room() && !line_.empty()) {
      Waiter* const first = line_.pop_front();
      --waiting_;
      ++taken_;
      first->granted.trigger();
    }
  }

  uint32_t limit_ = 0;
  uint32_t taken_ = 0;
  uint32_t waiting_ = 0;
  IntrusiveList<Waiter> line_;
};

}  // namespace sluice::sim
