// Host names to addresses. Blocks; runs on an offload lane.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include <sluice/net/address.h>

namespace sluice::net {

// Numeric hosts resolve without a look-up. The error is a sentence naming the host.
[[nodiscard]] std::expected<std::vector<Address>, std::string> resolve_blocking(
    const std::string& host, uint16_t port);

}  // namespace sluice::net
