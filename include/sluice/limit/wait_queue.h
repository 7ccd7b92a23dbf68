// Who of those that wait for a place gets the next one.
#pragma once

#include <cstdint>
#include <deque>

#include <sluice/base/clock.h>
#include <sluice/base/ids.h>
#include <sluice/base/intrusive_list.h>

namespace sluice::limit {

// A request that waits. Lives in the frame of its wait.
struct Waiting : ListLink {
  TenantId tenant;
  uint32_t weight = 1;    // The tenant's, 1 or more.
  uint32_t priority = 0;  // A larger number goes first.
  uint64_t tokens = 0;    // What it will use, by estimate.
  MonoTime since;
};

// Those of one model on one shard. A higher priority always goes first. Within one, tenants share
// in proportion to their weights, by tokens: the tenant that has been given least for its weight is
// next. A tenant that was away starts level with the others, with neither credit nor debt. Within a
// tenant the first come is first.
//
// Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) over tenants. Linear in the tenants
// that wait; allocates only when there are more of them than ever before.
class WaitQueue {
 public:
  WaitQueue() = default;
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;

  // Elements must have left before they die.
  void add(Waiting& waiting);
  void remove(Waiting& waiting) noexcept;
  // The next one, taken out and charged to its tenant; null when nobody waits.
  [[nodiscard]] Waiting* take_next() noexcept;
  // Undoes take_next(): in the old place, uncharged. Of several, the last taken first.
  void put_back(Waiting& waiting) noexcept;
  // What a tenant has really used, once it is known; shifts its turn while the queue lasts.
  void correct(TenantId tenant, uint32_t priority, uint32_t weight, uint64_t estimated,
               uint64_t used) noexcept;

  [[nodiscard]] uint32_t size() const noexcept { return size_; }
  // Since when the first of all has waited; max() when nobody does.
  [[nodiscard]] MonoTime oldest() const noexcept;

 private:
  struct Line {
    TenantId tenant;
    uint32_t priority = 0;
    int64_t next_start = 0;  // Virtual time at which its next request begins.
    IntrusiveList<Waiting> waiting;
  };

  [[nodiscard]] Line& line_of(const Waiting& waiting);
  [[nodiscard]] Line* find_line(TenantId tenant, uint32_t priority) noexcept;
  [[nodiscard]] static int64_t charge(uint64_t tokens, uint32_t weight) noexcept;
  void note_left() noexcept;

  std::deque<Line> lines_;
  int64_t virtual_now_ = 0;  // The start of the request that was taken last.
  uint32_t size_ = 0;
};

}  // namespace sluice::limit
