// Whether an address lies in a range of the configuration.
#pragma once

#include <cstring>
#include <span>

#include <sluice/base/ip_class.h>
#include <sluice/config/limiting.h>

namespace sluice::config {

// `address` carries IPv4 as ::ffff:a.b.c.d, like the range.
[[nodiscard]] inline bool contains(const AddressRange& range, const Ipv6Bytes& address) noexcept {
  const size_t whole = range.bits / 8;
  if (whole >= address.size()) return range.prefix == address;
  if (std::memcmp(range.prefix.data(), address.data(), whole) != 0) return false;
  const auto mask = static_cast<uint8_t>(0xFF00u >> (range.bits % 8));
  return ((range.prefix[whole] ^ address[whole]) & mask) == 0;
}

[[nodiscard]] inline bool contains(std::span<const AddressRange> ranges,
                                   const Ipv6Bytes& address) noexcept {
  for (const AddressRange& range : ranges) {
    if (contains(range, address)) return true;
  }
  return false;
}

}  // namespace sluice::config
