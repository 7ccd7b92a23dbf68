#include <sluice/net/address.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace sluice::net {

std::optional<Address> parse_address(std::string_view host, uint16_t port) {
  const std::string text(host);
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.length = sizeof *v4;
    return address;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.length = sizeof *v6;
    return address;
  }
  return std::nullopt;
}

std::optional<Address> unix_address(std::string_view path) {
  Address address;
  auto* unix_socket = reinterpret_cast<sockaddr_un*>(&address.storage);
  const bool fits = path.size() < sizeof unix_socket->sun_path;
  if (!path.starts_with('/') || !fits || path.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  unix_socket->sun_family = AF_UNIX;
  std::memcpy(unix_socket->sun_path, path.data(), path.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

uint16_t Address::port() const noexcept {
  if (family() == AF_UNIX) return 0;
  if (family() == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

std::optional<Ipv6Bytes> Address::ip() const noexcept {
  Ipv6Bytes bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (family() == AF_INET6) {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, 16);
  } else if (family() == AF_INET) {
    std::memcpy(&bytes[12], &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, 4);
  } else {
    return std::nullopt;
  }
  return bytes;
}

IpClass Address::ip_class() const noexcept {
  if (family() == AF_INET6) {
    Ipv6Bytes bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr,
                bytes.size());
    return classify(bytes);
  }
  if (family() != AF_INET) return IpClass::kForbidden;
  Ipv4Bytes bytes;
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr,
              bytes.size());
  return classify(bytes);
}

std::string Address::to_text() const {
  if (family() == AF_UNIX) return reinterpret_cast<const sockaddr_un*>(&storage)->sun_path;
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, text,
              sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(port());
  }
  inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(port());
}

}  // namespace sluice::net
