#include "ports.h"

#include <unistd.h>

#include <sluice/net/listener.h>

namespace sluice::app {
namespace {

std::expected<net::Address, std::string> numeric(const config::ListenAddress& where) {
  if (auto address = net::parse_address(where.host, where.port)) return *address;
  return std::unexpected("cannot listen on " + where.host + ": not a numeric address");
}

std::expected<net::Address, std::string> address_of(io::Syscalls& syscalls, int fd) {
  net::Address bound;
  bound.length = sizeof bound.storage;
  auto* raw = reinterpret_cast<sockaddr*>(&bound.storage);
  if (!syscalls.local_address(fd, raw, &bound.length)) {
    return std::unexpected("cannot read the address of a listener; this kernel is not usable");
  }
  return bound;
}

void close_all(io::Syscalls& syscalls, const std::vector<int>& fds) {
  for (const int fd : fds) syscalls.close(fd);
}

}  // namespace

std::expected<ShardListeners, std::string> open_shard_listeners(io::Syscalls& syscalls,
                                                                const config::ListenAddress& where,
                                                                int backlog, uint32_t shards,
                                                                bool probes) {
  const auto address = numeric(where);
  if (!address) return std::unexpected(address.error());
  ShardListeners listeners{.fds = {}, .address = *address};
  // A port that the kernel chooses is free by definition.
  if (probes && where.port != 0) {
    const auto probe =
        net::open_listener(syscalls, *address, {.backlog = backlog, .share_port = false});
    if (!probe) return std::unexpected(probe.error());
    syscalls.close(*probe);
  }
  for (uint32_t i = 0; i < shards; ++i) {
    const auto fd = net::open_listener(syscalls, listeners.address, {.backlog = backlog});
    if (!fd) {
      close_all(syscalls, listeners.fds);
      return std::unexpected(fd.error());
    }
    listeners.fds.push_back(*fd);
    if (i > 0) continue;
    const auto bound = address_of(syscalls, *fd);
    if (!bound) {
      close_all(syscalls, listeners.fds);
      return std::unexpected(bound.error());
    }
    listeners.address = *bound;
  }
  return listeners;
}

std::expected<int, std::string> open_single_listener(io::Syscalls& syscalls,
                                                     const config::ListenAddress& where,
                                                     net::Address* bound) {
  const auto address = numeric(where);
  if (!address) return std::unexpected(address.error());
  const auto fd = net::open_listener(syscalls, *address, {.backlog = 64, .share_port = false});
  if (!fd) return std::unexpected(fd.error());
  const auto chosen = address_of(syscalls, *fd);
  if (!chosen) {
    syscalls.close(*fd);
    return std::unexpected(chosen.error());
  }
  *bound = *chosen;
  return *fd;
}

std::string place_of(const config::ListenAddress& where) {
  return where.host + " " + std::to_string(where.port);
}

std::expected<ShardListeners, std::string> take_shard_listeners(io::Syscalls& syscalls,
                                                                const config::Snapshot& config,
                                                                Predecessor* predecessor) {
  ShardListeners listeners;
  if (predecessor == nullptr) return listeners;
  listeners.fds = predecessor->take_all(given::kListener, place_of(config.listen));
  if (listeners.fds.empty()) return listeners;
  const auto bound = address_of(syscalls, listeners.fds.front());
  if (!bound) {
    close_all(syscalls, listeners.fds);
    return std::unexpected(bound.error());
  }
  listeners.address = *bound;
  return listeners;
}

std::expected<int, std::string> take_or_open(io::Syscalls& syscalls, std::string_view name,
                                             const config::ListenAddress& where,
                                             Predecessor* predecessor, net::Address* bound) {
  const int fd = predecessor == nullptr ? -1 : predecessor->take(name, place_of(where));
  if (fd < 0) return open_single_listener(syscalls, where, bound);
  const auto address = address_of(syscalls, fd);
  if (!address) {
    syscalls.close(fd);
    return std::unexpected(address.error());
  }
  *bound = *address;
  return fd;
}

std::expected<int, std::string> take_or_open_unix(const std::string& path,
                                                  const net::UnixAccess& access,
                                                  Predecessor* predecessor) {
  const int fd = predecessor == nullptr ? -1 : predecessor->take(given::kAdminSocket, path);
  if (fd < 0) return net::open_unix_listener(path, access);
  if (auto given = net::give_access(path, access); !given) {
    ::close(fd);
    return std::unexpected(std::move(given.error()));
  }
  return fd;
}

}  // namespace sluice::app
