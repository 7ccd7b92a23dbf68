// The seam through which a tap borrows memory for what the end of a span has cut.
#pragma once

#include <cstddef>

namespace sluice::usage {

// One piece of memory, lent while it is needed, to one borrower, which it outlives. What was not
// given back goes with the room.
class CarryRoom {
 public:
  virtual ~CarryRoom() = default;

  // At least `bytes` until give_back(); null when there is none. Not called again before that.
  [[nodiscard]] virtual char* take(size_t bytes) noexcept = 0;
  virtual void give_back() noexcept = 0;
};

}  // namespace sluice::usage
