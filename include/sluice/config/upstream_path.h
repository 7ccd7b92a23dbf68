// Which path of an upstream serves a client's path; docs/config.md "Paths" has the rules.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <sluice/config/snapshot.h>

namespace sluice::config {

// False when the URL named one full endpoint and `client_path` asks for another one, e.g.
// embeddings of ".../chat/completions". Such an upstream is no candidate for the request.
[[nodiscard]] bool serves(const Endpoint& endpoint, std::string_view client_path) noexcept;

// Writes the request target, path and merged query, into `out`. `client_path` begins with '/',
// `client_query` comes without '?'. Returns the part written; empty when `out` is too small.
[[nodiscard]] std::string_view upstream_path(const Endpoint& endpoint, std::string_view client_path,
                                             std::string_view client_query,
                                             std::span<char> out) noexcept;

// The most bytes that upstream_path() can write for these arguments.
[[nodiscard]] size_t upstream_path_bytes_max(const Endpoint& endpoint, std::string_view client_path,
                                             std::string_view client_query) noexcept;

}  // namespace sluice::config
