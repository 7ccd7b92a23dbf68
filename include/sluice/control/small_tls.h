// TLS of the second admin listener.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include <sluice/base/clock.h>
#include <sluice/config/auth.h>
#include <sluice/config/environment.h>
#include <sluice/net/tls.h>

namespace sluice::control {

// Null for a listener without certificate files, which is plain. Blocks on the disk; start-up only.
// The error is a sentence with cause and remedy.
[[nodiscard]] std::expected<std::unique_ptr<net::TlsServer>, std::string> make_small_tls(
    const config::AdminListener& listener, const config::Environment& environment, WallTime now);

}  // namespace sluice::control
