// Listening sockets that whoever started the process has opened for it (sd_listen_fds(3)).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include <sluice/config/snapshot.h>
#include <sluice/io/syscalls.h>

#include "ports.h"

namespace sluice::app {

// Empty vectors and negative numbers where nothing was passed; the process opens these itself.
struct PassedSockets {
  std::vector<int> listen;
  int metrics = -1;
  int admin = -1;
};

// By LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, which are removed from the environment. Names are
// those of the configuration: `listen` (also for sockets without a name), `metrics`, `admin`.
// The error is a sentence: a descriptor that is not there, is no listening stream socket, or has
// another name.
[[nodiscard]] std::expected<PassedSockets, std::string> take_passed_sockets();

// Empty when it cannot be read.
[[nodiscard]] net::Address address_of_listener(io::Syscalls& syscalls, int fd);

// One for each shard out of those that were passed. Several sockets on one address (ReusePort=yes)
// share the load as the process's own do; of fewer sockets than shards, several shards accept from
// one. More sockets than shards are refused: nobody would answer on the rest. So is an address that
// is not the one of the configuration; its port 0 stands for any.
[[nodiscard]] std::expected<ShardListeners, std::string> deal_to_shards(
    io::Syscalls& syscalls, const std::vector<int>& passed, const config::ListenAddress& where,
    uint32_t shards);

}  // namespace sluice::app
