#include <sluice/base/ip_class.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace sluice {
namespace {

template <class Bytes>
struct Network {
  Bytes prefix;
  uint8_t bits;
  IpClass ip_class;
};

template <class Bytes>
bool is_within(const Bytes& address, const Bytes& prefix, uint8_t bits) noexcept {
  const size_t whole = bits / 8;
  if (std::memcmp(address.data(), prefix.data(), whole) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || ((address[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

using Ipv4Network = Network<Ipv4Bytes>;
using Ipv6Network = Network<Ipv6Bytes>;

// The IANA special-purpose registry, and services of clouds that give credentials to whoever asks.
// The first match counts.
constexpr auto kIpv4Networks = std::to_array<Ipv4Network>({
    {{100, 100, 100, 200}, 32, IpClass::kForbidden},  // Alibaba's metadata.
    {{168, 63, 129, 16}, 32, IpClass::kForbidden},    // Azure's wire server.
    {{0, 0, 0, 0}, 8, IpClass::kForbidden},
    {{10, 0, 0, 0}, 8, IpClass::kPrivate},
    {{100, 64, 0, 0}, 10, IpClass::kPrivate},
    {{127, 0, 0, 0}, 8, IpClass::kLoopback},
    {{169, 254, 0, 0}, 16, IpClass::kForbidden},
    {{172, 16, 0, 0}, 12, IpClass::kPrivate},
    {{192, 0, 0, 0}, 24, IpClass::kForbidden},  // Oracle's metadata too.
    {{192, 0, 2, 0}, 24, IpClass::kForbidden},
    {{192, 88, 99, 0}, 24, IpClass::kForbidden},
    {{192, 168, 0, 0}, 16, IpClass::kPrivate},
    {{198, 18, 0, 0}, 15, IpClass::kPrivate},
    {{198, 51, 100, 0}, 24, IpClass::kForbidden},
    {{203, 0, 113, 0}, 24, IpClass::kForbidden},
    {{224, 0, 0, 0}, 3, IpClass::kForbidden},  // Multicast, reserved, broadcast.
});

constexpr auto kIpv6Networks = std::to_array<Ipv6Network>({
    {{0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54},
     128,
     IpClass::kForbidden},  // AWS.
    {{0xfd, 0x20, 0, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54},
     128,
     IpClass::kForbidden},  // GCP.
    {{0xfc}, 7, IpClass::kPrivate},
    {{0x20, 0x01, 0}, 23, IpClass::kForbidden},  // Teredo and other protocols.
    {{0x20, 0x01, 0x0d, 0xb8}, 32, IpClass::kForbidden},
    {{0x3f, 0xff, 0}, 20, IpClass::kForbidden},
    {{0x20}, 3, IpClass::kPublic},
});

// Where an IPv6 address carries an IPv4 one.
struct Carrier {
  Ipv6Bytes prefix;
  uint8_t bits;
  uint8_t at;
};

constexpr auto kCarriers = std::to_array<Carrier>({
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 12},  // Mapped.
    {{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0}, 96, 12},  // Translated (SIIT).
    {{0}, 96, 12},                                         // Compatible.
    {{0, 0x64, 0xff, 0x9b}, 96, 12},                       // NAT64.
    {{0x20, 0x02}, 16, 2},                                 // 6to4.
});

template <class Bytes, size_t kCount>
const Network<Bytes>* find_network(const std::array<Network<Bytes>, kCount>& networks,
                                   const Bytes& address) noexcept {
  const auto found = std::ranges::find_if(networks, [&](const Network<Bytes>& network) {
    return is_within(address, network.prefix, network.bits);
  });
  return found == networks.end() ? nullptr : &*found;
}

}  // namespace

IpClass classify(const Ipv4Bytes& address) noexcept {
  const Ipv4Network* network = find_network(kIpv4Networks, address);
  return network == nullptr ? IpClass::kPublic : network->ip_class;
}

IpClass classify(const Ipv6Bytes& address) noexcept {
  constexpr Ipv6Bytes kLoopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (address == kLoopback) return IpClass::kLoopback;
  for (const Carrier& carrier : kCarriers) {
    if (!is_within(address, carrier.prefix, carrier.bits)) continue;
    Ipv4Bytes carried;
    std::copy_n(address.begin() + carrier.at, carried.size(), carried.begin());
    return classify(carried);
  }
  const Ipv6Network* network = find_network(kIpv6Networks, address);
  return network == nullptr ? IpClass::kForbidden : network->ip_class;
}

std::optional<IpClass> classify_text(std::string_view host) noexcept {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (host.size() >= text.size()) return std::nullopt;
  std::ranges::copy(host, text.begin());
  if (std::string_view(text.data()).size() != host.size()) return std::nullopt;
  if (Ipv4Bytes v4; inet_pton(AF_INET, text.data(), v4.data()) == 1) return classify(v4);
  if (Ipv6Bytes v6; inet_pton(AF_INET6, text.data(), v6.data()) == 1) return classify(v6);
  return std::nullopt;
}

}  // namespace sluice
