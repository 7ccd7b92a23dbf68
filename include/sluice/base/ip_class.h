// Where an IP address leads, for the rule what may be dialled (D56, D57, D61).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

enum class IpClass : uint8_t {
  kPublic,
  kPrivate,    // RFC 1918, shared (100.64/10), benchmarks (198.18/15), unique local (fc00::/7).
  kLoopback,   // 127/8 and ::1.
  kForbidden,  // Link-local, clouds' metadata, unspecified, multicast, broadcast, reserved.
};

using Ipv4Bytes = std::array<uint8_t, 4>;  // In network order.
using Ipv6Bytes = std::array<uint8_t, 16>;

[[nodiscard]] IpClass classify(const Ipv4Bytes& address) noexcept;
// An address that carries an IPv4 one (mapped, compatible, translated, NAT64, 6to4) is of the
// carried one's class. What lies outside of global unicast and is not named above is forbidden.
[[nodiscard]] IpClass classify(const Ipv6Bytes& address) noexcept;
// The class of a numeric address without brackets and zone, in the one usual spelling; empty for
// all else, so also for a name and for "127.1", "0x7f000001", "2130706433".
[[nodiscard]] std::optional<IpClass> classify_text(std::string_view host) noexcept;

// Whether an upstream may be dialled there. Nobody can allow a forbidden address.
[[nodiscard]] constexpr bool may_dial(IpClass ip_class, bool private_addresses) noexcept {
  switch (ip_class) {
    case IpClass::kPublic: return true;
    case IpClass::kPrivate:
    case IpClass::kLoopback: return private_addresses;
    case IpClass::kForbidden: return false;
  }
  return false;
}

}  // namespace sluice
