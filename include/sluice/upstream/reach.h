// How connections to an upstream are made, apart from TLS.
#pragma once

#include <optional>
#include <string>

#include <sluice/config/snapshot.h>

namespace sluice::upstream {

// Part of what makes connections interchangeable: pools of another reach are not taken over.
struct Reach {
  std::string host;  // Of the upstream, without brackets.
  uint16_t port = 0;
  bool private_addresses = false;
  // When set, addresses are the proxy's, and it is told the upstream's name.
  std::optional<config::ProxySettings> proxy;

  bool operator==(const Reach&) const = default;
  // What the addresses that are dialled may be.
  [[nodiscard]] bool dials_private() const noexcept {
    return proxy ? proxy->allow_private : private_addresses;
  }
};

[[nodiscard]] inline Reach reach_of(const config::Upstream& upstream) {
  return {.host = upstream.endpoint.host,
          .port = upstream.endpoint.port,
          .private_addresses = upstream.private_addresses,
          .proxy = upstream.proxy};
}

}  // namespace sluice::upstream
