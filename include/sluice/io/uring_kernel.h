// The real kernel behind io::Ring: io_uring, and the probe that refuses kernels we cannot use.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include <sluice/io/kernel.h>

namespace sluice::io {

struct UringOptions {
  uint32_t submissions = 1024;
  // Large, because an overflowing completion queue ends multishot ops (dataplane.md 1.5).
  uint32_t completions = 16'384;
  uint32_t buffers_most = 4096;  // Entries of the provided-buffer ring; a power of two.
};

// Creates a ring bound to the calling thread, which must be the only one to use it. The error is a
// sentence with cause and remedy. Linux 6.1 or newer (SINGLE_ISSUER, DEFER_TASKRUN, multishot
// accept, provided-buffer rings).
[[nodiscard]] std::expected<std::unique_ptr<Kernel>, std::string> open_uring_kernel(
    UringOptions options);

// Tries everything open_uring_kernel() needs and gives it back. Empty when this kernel will do,
// else the sentence.
[[nodiscard]] std::string probe_uring();

}  // namespace sluice::io
