// One request outside of what is measured: references, and the figures of a simulated server.
#pragma once

#include <string>

#include <sluice/io/ring.h>
#include <sluice/io/task.h>

#include "drive/connection.h"
#include "plan/url.h"

namespace sluice::load {

// The body of a 200 answer to `request`, which must live until the end. Opens `connection` unless
// it is. Suspends.
[[nodiscard]] Task<Result<std::string>> fetch_body(Connection& connection, net::Address address,
                                                   std::string_view request);

// The same on a connection of its own, turning `ring` until it is done.
[[nodiscard]] Result<std::string> fetch_now(io::Ring& ring, net::Address address,
                                            std::string_view request, Duration timeout);

}  // namespace sluice::load
