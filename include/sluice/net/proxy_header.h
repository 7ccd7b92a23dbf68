// Receives the PROXY protocol's header, which comes before TLS and HTTP.
#pragma once

#include <optional>

#include <sluice/base/deadline.h>
#include <sluice/base/ip_class.h>
#include <sluice/base/result.h>
#include <sluice/io/event.h>
#include <sluice/io/task.h>
#include <sluice/net/stream.h>

namespace sluice::net {

// The address that the header of a fresh stream names, IPv4 as ::ffff:a.b.c.d; empty when the
// balancer speaks for itself (LOCAL). Takes no byte behind the header. Suspends until it is whole,
// until `deadline`, or until `gone` (may be null) is ready. After an error the stream is of no use
// but to be closed.
//
// Errors: kMalformedRequest for anything that is not the header, kRequestTimeout, kDownstreamLost.
Task<Result<std::optional<Ipv6Bytes>>> receive_proxy_header(Stream& stream, Deadline deadline,
                                                            io::Event* gone);

}  // namespace sluice::net
