// What a coroutine can wait for, and waiting for the first of several.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>

#include <sluice/base/intrusive_list.h>

namespace sluice::io {

// A suspended coroutine in line to be resumed. Lives in the awaiter, inside the coroutine's frame.
struct Waiter : ListLink {
  std::coroutine_handle<> handle;
};

// Coroutines to resume in this turn, in order of their first event. Several events of one waiter
// resume it once, so that a turn does all of a connection's work together.
class ReadyQueue {
 public:
  void push(Waiter& waiter) noexcept {
    if (!waiter.is_linked() && waiter.handle) waiters_.push_back(waiter);
  }
  [[nodiscard]] bool empty() const noexcept { return waiters_.empty(); }
  // Resumes until none is left, at most `budget` times; true when some are left.
  bool run(uint32_t budget);

 private:
  IntrusiveList<Waiter> waiters_;
};

// Awaiter of Ring::background_turn(): waits in line, whatever else happens.
class [[nodiscard]] BackgroundTurn {
 public:
  explicit BackgroundTurn(ReadyQueue& line) noexcept : line_(line) {}
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.handle = handle;
    line_.push(waiter_);
  }
  void await_resume() const noexcept {}

 private:
  ReadyQueue& line_;
  Waiter waiter_;
};

// A condition with at most one waiter. trigger() makes it ready until reset(). One shard.
class Event {
 public:
  explicit Event(ReadyQueue& ready) noexcept : ready_(&ready) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { SLUICE_ASSERT(waiter_ == nullptr); }

  [[nodiscard]] bool is_ready() const noexcept { return is_ready_; }
  void trigger() noexcept {
    is_ready_ = true;
    if (waiter_ != nullptr) ready_->push(*waiter_);
  }
  void reset() noexcept { is_ready_ = false; }
  // For events whose waiter must look again although nothing is ready (cancellation).
  void nudge() noexcept {
    if (waiter_ != nullptr) ready_->push(*waiter_);
  }

 private:
  template <size_t kCount>
  friend class FirstOf;
  friend class WatchSet;
  ReadyQueue* ready_;
  Waiter* waiter_ = nullptr;
  bool is_ready_ = false;
};

// Awaiter of first_of(); null entries are ignored.
template <size_t kCount>
class [[nodiscard]] FirstOf {
 public:
  explicit FirstOf(std::array<Event*, kCount> events) noexcept : events_(events) {}
  FirstOf(const FirstOf&) = delete;
  FirstOf& operator=(const FirstOf&) = delete;
  ~FirstOf() { detach(); }

  [[nodiscard]] bool await_ready() const noexcept {
    for (const Event* event : events_) {
      if (event != nullptr && event->is_ready()) return true;
    }
    return false;
  }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.handle = handle;
    is_attached_ = true;
    for (Event* event : events_) {
      if (event == nullptr) continue;
      SLUICE_ASSERT(event->waiter_ == nullptr);
      event->waiter_ = &waiter_;
    }
  }
  void await_resume() noexcept { detach(); }

 private:
  void detach() noexcept {
    if (!is_attached_) return;
    is_attached_ = false;
    for (Event* event : events_) {
      if (event != nullptr) event->waiter_ = nullptr;
    }
  }

  std::array<Event*, kCount> events_;
  Waiter waiter_;
  bool is_attached_ = false;  // The events that are given point to the waiter.
};

// Suspends until at least one of the events is ready; the caller looks which. The one primitive
// for races: client gone, deadline, upstream bytes, places in a queue.
template <class... Events>
[[nodiscard]] auto first_of(Events*... events) noexcept {
  return FirstOf<sizeof...(Events)>({static_cast<Event*>(events)...});
}

}  // namespace sluice::io
