// Opens connections to upstreams.
#pragma once

#include <sluice/base/deadline.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/address_choice.h>

namespace sluice::net {

// RFC 8305, section 5.
inline constexpr Duration kAttemptDelay = milliseconds(250);
inline constexpr uint32_t kAttemptsAtOnce = 3;

struct DialOptions {
  // Caps what a stopped relay lets the kernel take in from an upstream (SO_RCVBUF).
  int receive_bytes_max = 256 * 1024;
};

// Connects to whichever address answers first. They are tried in order, each kAttemptDelay after
// the one before or as soon as that has failed, at most kAttemptsAtOnce at a time (RFC 8305);
// losers are ended before the winner is returned. Until `deadline`; gives up at once when `gone`
// (may be null) becomes ready. Suspends. Checks no address: choose_addresses() does.
// The descriptor has TCP_NODELAY and keep-alive set, unless it is a Unix socket's.
// Errors: kUpstreamConnect (refused, unreachable, deadline), kDownstreamLost (gone), kLimit.
Task<Result<int>> dial(io::Ring& ring, AddressList addresses, DialOptions options,
                       Deadline deadline, io::Event* gone);

}  // namespace sluice::net
