#include <sluice/net/resolver.h>

#include <netdb.h>

#include <cstring>

namespace sluice::net {

std::expected<std::vector<Address>, std::string> resolve_blocking(const std::string& host,
                                                                  uint16_t port) {
  if (const auto numeric = parse_address(host, port)) return std::vector{*numeric};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (result != 0) {
    return std::unexpected("cannot resolve " + host + ": " + ::gai_strerror(result));
  }
  std::vector<Address> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Address address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
    addresses.push_back(address);
  }
  ::freeaddrinfo(found);
  return addresses;
}

}  // namespace sluice::net
