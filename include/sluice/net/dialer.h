// Opens connections to upstreams.
#pragma once

#include <array>

#include <sluice/base/deadline.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/address.h>

namespace sluice::net {

struct DialOptions {
  // Caps what a stopped relay lets the kernel take in from an upstream (SO_RCVBUF).
  int receive_bytes_max = 256 * 1024;
};

// The addresses one dial will try, by value: the table they come from may change meanwhile.
struct AddressList {
  static constexpr uint32_t kMost = 4;
  std::array<Address, kMost> entries;
  uint32_t count = 0;
};

// Connects to the first address that answers, in order, until `deadline`; gives up at once when
// `gone` (may be null) becomes ready. Suspends. The descriptor has TCP_NODELAY and keep-alive set.
// Errors: kUpstreamConnect (refused, unreachable, deadline), kDownstreamLost (gone), kLimit.
Task<Result<int>> dial(io::Ring& ring, AddressList addresses, DialOptions options,
                       Deadline deadline, io::Event* gone);

}  // namespace sluice::net
