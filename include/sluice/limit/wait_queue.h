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

 private:
  friend class WaitQueue;
  uint64_t arrival_ = 0;        // In the order of add().
  int64_t virtual_before_ = 0;  // The virtual time of its class before it was taken.
};

// Those of one model on one shard. A higher priority always goes first. Within one, tenants share
// in proportion to their weights, by tokens: the tenant that has been given least for its weight is
// next. A tenant that was away starts level with the others, with neither credit nor debt. Within a
// tenant the first come is first.
//
// Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) over tenants, with a virtual time of
// its own for each priority. Linear in the tenants that wait; allocates only when there are more of
// them, or more priorities among them, than ever before.
class WaitQueue {
 public:
  WaitQueue() = default;
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;

  // Elements must have left before they die.
  void add(Waiting& waiting);
  void remove(Waiting& waiting) noexcept;
  // The next one, taken out and charged to its tenant; null when nobody waits.
  [[nodiscard]] Waiting* take_next() noexcept {
    return take_next([](const Waiting&) { return true; });
  }
  // The next one of those that `can_use` says true of: the order is as if no others waited, and
  // those passed over keep their places. Looks at all that wait, if need be. `can_use` does not
  // change the queue.
  template <class CanUse>
  [[nodiscard]] Waiting* take_next(CanUse can_use) noexcept {
    const Turn next = find_next(can_use);
    if (next.waiting != nullptr) take(*next.line, *next.waiting);
    return next.waiting;
  }
  // Undoes take_next(): in the old place, uncharged. Of several in any order, before anything is
  // added.
  void put_back(Waiting& waiting) noexcept;
  // What a request that was taken has really used, once it is known; shifts its tenant's turn while
  // the priority has had somebody waiting all the time since, and is ignored otherwise.
  void correct(TenantId tenant, uint32_t priority, uint32_t weight, uint64_t estimated,
               uint64_t used) noexcept;

  [[nodiscard]] uint32_t size() const noexcept { return size_; }
  // Since when the first of all has waited; max() when nobody does.
  [[nodiscard]] MonoTime oldest() const noexcept;
  // Since when the next one has waited, who need not be the first of all.
  [[nodiscard]] MonoTime next_since() noexcept {
    const Turn next = find_next([](const Waiting&) { return true; });
    return next.waiting == nullptr ? MonoTime::max() : next.waiting->since;
  }

 private:
  struct Class {
    uint32_t priority = 0;
    uint32_t size = 0;
    int64_t virtual_now = 0;  // The start of the request that was taken last.
  };
  struct Line {
    TenantId tenant;
    uint32_t priority = 0;
    int64_t next_start = 0;   // Virtual time at which its next request begins.
    int64_t uncorrected = 0;  // Charged since the class last began; bounds what may be refunded.
    IntrusiveList<Waiting> waiting;
  };
  struct Turn {
    Line* line = nullptr;
    Waiting* waiting = nullptr;
  };

  template <class CanUse>
  [[nodiscard]] Turn find_next(CanUse can_use) noexcept {
    Turn next;
    for (Line& line : lines_) {
      if (line.waiting.empty() || !may_go_before(line, next)) continue;
      Waiting* const first = line.waiting.find_if(can_use);
      if (first != nullptr && goes_before(line, *first, next)) next = {&line, first};
    }
    return next;
  }
  [[nodiscard]] static int64_t charge(uint64_t tokens, uint32_t weight) noexcept;
  // Whether something of `line` may go before `other`, as far as the line alone tells.
  [[nodiscard]] static bool may_go_before(const Line& line, const Turn& other) noexcept;
  [[nodiscard]] static bool goes_before(const Line& line, const Waiting& first,
                                        const Turn& other) noexcept;

  [[nodiscard]] Class* find_class(uint32_t priority) noexcept;
  [[nodiscard]] Class& class_of(uint32_t priority);
  [[nodiscard]] Line* find_line(TenantId tenant, uint32_t priority) noexcept;
  [[nodiscard]] Line& line_of(const Waiting& waiting, const Class& its_class);
  // Everybody of the class starts level.
  void begin(Class& idle) noexcept;
  void take(Line& line, Waiting& waiting) noexcept;

  std::deque<Class> classes_;
  std::deque<Line> lines_;
  uint64_t arrivals_ = 0;
  uint32_t size_ = 0;
};

}  // namespace sluice::limit
