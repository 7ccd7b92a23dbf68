#include <sluice/config/address_text.h>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "address.h"

namespace sluice::config {
namespace {

constexpr unsigned kV4Bits = 96;  // Of ::ffff:0:0/96.

}  // namespace

std::expected<AddressRange, std::string> read_address_range(std::string_view text) {
  auto range = parse_address_range(text);
  if (range) return *range;
  return std::unexpected(fmt::format("{}; {}", range.error().cause, range.error().remedy));
}

std::string address_range_text(const AddressRange& range) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool is_v4 = range.bits >= kV4Bits && IpAddress{range.prefix}.maps_v4();
  if (is_v4) {
    ::inet_ntop(AF_INET, range.prefix.data() + kV4Bits / 8, text.data(), text.size());
  } else {
    ::inet_ntop(AF_INET6, range.prefix.data(), text.data(), text.size());
  }
  if (range.bits >= 128) return text.data();
  return fmt::format("{}/{}", text.data(), is_v4 ? range.bits - kV4Bits : range.bits);
}

}  // namespace sluice::config
