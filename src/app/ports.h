// The sockets that the gateway listens on.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include <sluice/config/snapshot.h>
#include <sluice/io/syscalls.h>
#include <sluice/net/address.h>
#include <sluice/net/listener.h>

#include "predecessor.h"

namespace sluice::app {

struct ShardListeners {
  std::vector<int> fds;  // One per shard, all on one address.
  net::Address address;  // With the port that the kernel chose, if it did.
};

// One listener per shard. Another process that shares the port by SO_REUSEPORT would silently take
// a part of the traffic, so a socket that does not share must succeed first, if it `probes`.
[[nodiscard]] std::expected<ShardListeners, std::string> open_shard_listeners(
    io::Syscalls& syscalls, const config::ListenAddress& where, int backlog, uint32_t shards,
    bool probes = true);

// The one of /metrics.
[[nodiscard]] std::expected<int, std::string> open_single_listener(
    io::Syscalls& syscalls, const config::ListenAddress& where, net::Address* bound);

// What is listened on, as the two sides of an upgrade name it.
[[nodiscard]] std::string place_of(const config::ListenAddress& where);

// The sockets of the predecessor, empty when it listens elsewhere or is null.
[[nodiscard]] std::expected<ShardListeners, std::string> take_shard_listeners(
    io::Syscalls& syscalls, const config::Snapshot& config, Predecessor* predecessor);

// The predecessor's socket of that name when it has one there, else a new one.
[[nodiscard]] std::expected<int, std::string> take_or_open(io::Syscalls& syscalls,
                                                           std::string_view name,
                                                           const config::ListenAddress& where,
                                                           Predecessor* predecessor,
                                                           net::Address* bound);
[[nodiscard]] std::expected<int, std::string> take_or_open_unix(const std::string& path,
                                                                const net::UnixAccess& access,
                                                                Predecessor* predecessor);

}  // namespace sluice::app
