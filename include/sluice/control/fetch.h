// Reads one small document over plain HTTP, for the control thread.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include <sluice/base/deadline.h>
#include <sluice/io/event.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/resolver.h>

namespace sluice::control {

struct FetchRequest {
  std::string url;  // "http://host[:port][/path][?query]", valid as the loader checks.
  bool private_addresses = false;  // Whether loopback and private addresses may be dialled.
  size_t bytes_max = 0;            // Of head and body together; longer is an error.
};

// The body of a 200. Asked with HTTP/1.0, so that it ends with its length or with the connection.
// Errors have static storage and say nothing of what was sent. `gone` ends it. Suspends.
Task<std::expected<std::string, std::string_view>> fetch(io::Ring& ring, net::Resolver& resolver,
                                                         FetchRequest request, Deadline deadline,
                                                         io::Event& gone);

}  // namespace sluice::control
