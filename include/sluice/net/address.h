// A numeric IP address and port, or the path of a Unix socket.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>

#include <sluice/base/ip_class.h>

namespace sluice::net {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  [[nodiscard]] const sockaddr* raw() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
  // "127.0.0.1:8080", "[::1]:8080" or "/run/x.sock".
  [[nodiscard]] std::string to_text() const;
  // 0 of a Unix socket.
  [[nodiscard]] uint16_t port() const noexcept;
  // IPv4 as ::ffff:a.b.c.d. Empty for anything that is not an IP address.
  [[nodiscard]] std::optional<Ipv6Bytes> ip() const noexcept;
  // Forbidden for anything that is not an IP address.
  [[nodiscard]] IpClass ip_class() const noexcept;
};

// Empty unless `host` is a numeric IPv4 or IPv6 address without brackets.
[[nodiscard]] std::optional<Address> parse_address(std::string_view host, uint16_t port);

// Empty unless `path` is absolute and short enough for a socket (unix(7): 107 bytes).
[[nodiscard]] std::optional<Address> unix_address(std::string_view path);

}  // namespace sluice::net
