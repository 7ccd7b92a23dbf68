// Runs the ring for one task, before and after the loop proper.
#pragma once

#include <utility>

#include <sluice/io/ring.h>
#include <sluice/io/task.h>

namespace sluice::control {

namespace detail {

// Stops the ring: a turn that only looked at a flag would go on to sleep after setting it.
inline Task<void> run_and_stop(io::Ring* ring, Task<void> task, bool* is_done) {
  co_await task;
  *is_done = true;
  ring->stop();
}

}  // namespace detail

// Returns when `task` has ended. Not from within the ring's loop.
inline void run_to_end(io::Ring& ring, Task<void> task) {
  bool is_done = false;
  io::start_detached(detail::run_and_stop(&ring, std::move(task), &is_done));
  if (!is_done) ring.run();
}

}  // namespace sluice::control
