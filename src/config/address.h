// Numeric IP addresses, as text and as bytes.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include <sluice/config/snapshot.h>

#include "fault.h"

namespace sluice::config {

// An IPv4 address is kept in its IPv6 form (::ffff:a.b.c.d), so that rules are written once.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};
  bool is_v4 = false;  // Written as IPv4.

  [[nodiscard]] bool maps_v4() const noexcept;
  [[nodiscard]] bool is_loopback() const noexcept;
  [[nodiscard]] bool is_unspecified() const noexcept;
  [[nodiscard]] bool is_link_local() const noexcept;
};

// Only the usual spellings: four decimal numbers, or IPv6 without brackets and without a zone.
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text) noexcept;

// "host:port" with a numeric host, IPv6 in brackets.
[[nodiscard]] std::expected<ListenAddress, Fault> parse_listen_address(std::string_view text);

// "10.0.0.0/8", "fd00::/8", or one address alone.
[[nodiscard]] std::expected<AddressRange, Fault> parse_address_range(std::string_view text);

// Decimal digits, at most 65535.
[[nodiscard]] std::optional<uint16_t> parse_port(std::string_view text) noexcept;

}  // namespace sluice::config
