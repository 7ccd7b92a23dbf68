// A way through an HTTP proxy to an upstream (CONNECT; RFC 9110, section 9.3.6).
#pragma once

#include <string>
#include <string_view>

#include <sluice/base/deadline.h>
#include <sluice/io/task.h>
#include <sluice/net/stream.h>
#include <sluice/upstream/reach.h>

namespace sluice::upstream {

// Most that a proxy may say before the tunnel is open.
inline constexpr size_t kProxyAnswerBytesMax = 4096;

// What the proxy is sent; the upstream's name goes there unresolved. Holds the proxy's secret.
// Empty without a proxy.
[[nodiscard]] std::string tunnel_request(const Reach& reach);

// Whether the upstream itself may be asked for: a numeric host is held to the same rule as one that
// is dialled (D56). A name is the proxy's to resolve.
[[nodiscard]] bool is_target_allowed(const Reach& reach) noexcept;

// Sends `request` and awaits a 2xx answer; from then on the stream leads to the upstream. Without
// one the stream is of no use; a receive may be in flight then, a send is not. Suspends.
// Errors: kUpstreamConnect, all to be retried elsewhere; kDownstreamLost (gone).
Task<Result<void>> open_tunnel(net::Stream& stream, std::string_view request, Deadline deadline,
                               io::Event* gone);

}  // namespace sluice::upstream
