// One coroutine that waits for any of many events: idle connections, for one.
#pragma once

#include <coroutine>

#include <sluice/io/event.h>

namespace sluice::io {

// `co_await set` suspends until an event added to it becomes ready; the coroutine then looks
// through its own list for which. Adding and removing cost one store. One waiting coroutine; it
// must look at its events after each resumption and before it waits again.
class WatchSet {
 public:
  WatchSet() noexcept = default;
  WatchSet(const WatchSet&) = delete;
  WatchSet& operator=(const WatchSet&) = delete;

  // The event must have no other waiter, and be removed before either dies.
  void add(Event& event) noexcept {
    SLUICE_ASSERT(event.waiter_ == nullptr);
    event.waiter_ = &waiter_;
  }
  void remove(Event& event) noexcept {
    if (event.waiter_ == &waiter_) event.waiter_ = nullptr;
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiter_.handle = handle; }
  void await_resume() noexcept { waiter_.handle = nullptr; }

 private:
  Waiter waiter_;  // Its handle is null while nobody waits.
};

}  // namespace sluice::io
