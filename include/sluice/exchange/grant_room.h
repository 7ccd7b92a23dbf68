// Requests that wait for the ledger's answer.
#pragma once

#include <sluice/base/intrusive_list.h>
#include <sluice/io/event.h>

namespace sluice::exchange {

// Owned by the worker; one shard. All are woken at once, since one answer speaks for many limits.
class GrantRoom {
 public:
  // Lives in the frame of its wait, and leaves the room when it dies.
  struct Waiting : ListLink {
    explicit Waiting(io::ReadyQueue& ready) noexcept : answered(ready) {}
    io::Event answered;
  };

  void join(Waiting& waiting) noexcept { waiting_.push_back(waiting); }
  void answer() noexcept {
    while (Waiting* const waiting = waiting_.pop_front()) waiting->answered.trigger();
  }

 private:
  IntrusiveList<Waiting> waiting_;
};

}  // namespace sluice::exchange
