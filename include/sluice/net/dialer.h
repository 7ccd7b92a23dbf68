// Opens connections to upstreams.
#pragma once

#include <span>

#include <sluice/base/deadline.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/address.h>

namespace sluice::net {

struct DialOptions {
  // Caps what a stopped relay lets the kernel take in from an upstream (SO_RCVBUF).
  int receive_bytes_max = 256 * 1024;
};

// Connects to the first address that answers, in order, until `deadline`; gives up at once when
// `gone` (may be null) becomes ready. Suspends. The descriptor has TCP_NODELAY and keep-alive set.
// Errors: kUpstreamConnect (refused, unreachable, deadline), kDownstreamLost (gone), kLimit.
Task<Result<int>> dial(io::Ring& ring, std::span<const Address> addresses, DialOptions options,
                       Deadline deadline, io::Event* gone);

}  // namespace sluice::net
