#include <sluice/config/address_text.h>

#include <arpa/inet.h>

#include "address.h"

namespace sluice::config {

std::optional<AddressRange> read_address_range(std::string_view text) {
  auto range = parse_address_range(text);
  if (!range) return std::nullopt;
  return *range;
}

std::string to_text(const AddressRange& range) {
  // ::/0 is no IPv4, although its first bytes might be.
  const bool is_v4 = range.bits >= 96 && IpAddress{.bytes = range.prefix}.maps_v4();
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(is_v4 ? AF_INET : AF_INET6, range.prefix.data() + (is_v4 ? 12 : 0), text.data(),
              text.size());
  if (range.bits == 128) return text.data();
  return std::string(text.data()) + "/" + std::to_string(range.bits - (is_v4 ? 96 : 0));
}

}  // namespace sluice::config
