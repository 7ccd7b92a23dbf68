// A ring for what lanes hand back, and waiting for a journal's calls to the disk.
#pragma once

#include <thread>

#include <sluice/io/uring_kernel.h>
#include <sluice/store/journal.h>

namespace sluice::store {

struct LaneWorld {
  io::SystemSyscalls syscalls;
  SystemClock clock;
  std::unique_ptr<io::Kernel> kernel =
      io::open_uring_kernel({.submissions = 8, .completions = 64, .buffers_most = 64}).value();
  io::Ring ring{*kernel, syscalls, clock, {.hot = 64, .most = 64}};
  io::OffloadReturns returns{ring};

  // Until no call to the disk runs.
  void settle(const Journal& journal) {
    while (journal.is_busy()) {
      returns.run();
      std::this_thread::yield();
    }
  }
};

}  // namespace sluice::store
