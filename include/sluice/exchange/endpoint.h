// The endpoints that exist. A path is matched exactly as it was sent: nothing is normalised, so no
// spelling of a path can pass for another one.
#pragma once

#include <string_view>

#include <sluice/base/result.h>
#include <sluice/http/request_parser.h>
#include <sluice/metrics/labels.h>

namespace sluice::exchange {

using metrics::Endpoint;

// The forwarded ones come first.
inline constexpr size_t kForwardedEndpoints = 4;
// Whether the endpoint forwards to an upstream; the others are answered here.
[[nodiscard]] bool is_forwarded(Endpoint endpoint) noexcept;
// Whether stream_options.include_usage exists there.
[[nodiscard]] bool has_stream_options(Endpoint endpoint) noexcept;
// The one method that the endpoint takes, for the allow header.
[[nodiscard]] std::string_view method_of(Endpoint endpoint) noexcept;

// kEndpointNotFound or kMethodNotAllowed; `found` is set also for the latter.
[[nodiscard]] Result<Endpoint> match_endpoint(http::Method method, std::string_view path,
                                              Endpoint& found) noexcept;

}  // namespace sluice::exchange
