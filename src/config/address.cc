#include "address.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>

namespace sluice::config {
namespace {

constexpr size_t kV4Offset = 12;

std::unexpected<Fault> no_address() {
  return std::unexpected(
      Fault{"must be a numeric address with a port",
            "write it as \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::1]:8080\", in quotes"});
}

}  // namespace

bool IpAddress::maps_v4() const noexcept {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](uint8_t b) { return b == 0; }) &&
         bytes[10] == 0xff && bytes[11] == 0xff;
}

bool IpAddress::is_loopback() const noexcept {
  if (maps_v4()) return bytes[kV4Offset] == 127;
  return bytes[15] == 1 &&
         std::all_of(bytes.begin(), bytes.end() - 1, [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_unspecified() const noexcept {
  const auto first = bytes.begin() + (maps_v4() ? kV4Offset : 0);
  return std::all_of(first, bytes.end(), [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_link_local() const noexcept {
  if (maps_v4()) return bytes[kV4Offset] == 169 && bytes[kV4Offset + 1] == 254;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

std::optional<IpAddress> parse_ip(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size()) return std::nullopt;
  std::copy(text.begin(), text.end(), terminated.begin());
  // A NUL within the text must not hide what follows it.
  if (std::strlen(terminated.data()) != text.size()) return std::nullopt;
  IpAddress address;
  if (::inet_pton(AF_INET, terminated.data(), address.bytes.data() + kV4Offset) == 1) {
    address.bytes[10] = address.bytes[11] = 0xff;
    address.is_v4 = true;
    return address;
  }
  if (::inet_pton(AF_INET6, terminated.data(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

std::optional<uint16_t> parse_port(std::string_view text) noexcept {
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return port;
}

std::expected<ListenAddress, Fault> parse_listen_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return no_address();
  std::string_view host = text.substr(0, colon);
  const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (has_brackets) host = host.substr(1, host.size() - 2);
  const auto address = parse_ip(host);
  const auto port = parse_port(text.substr(colon + 1));
  if (!address || !port || address->is_v4 == has_brackets) return no_address();
  return ListenAddress{std::string(host), *port};
}

std::expected<AddressRange, Fault> parse_address_range(std::string_view text) {
  constexpr const char* kRemedy = "write it as 10.0.0.0/8, fd00::/8 or 10.0.0.7";
  const size_t slash = std::min(text.find('/'), text.size());
  const auto address = parse_ip(text.substr(0, slash));
  if (!address) return std::unexpected(Fault{"must be a numeric address or a range", kRemedy});
  if (!address->is_v4 && address->maps_v4()) {
    return std::unexpected(
        Fault{"has an IPv4 address in IPv6 clothes", "write the IPv4 address itself"});
  }
  AddressRange range{.prefix = address->bytes, .bits = 128};
  if (slash == text.size()) return range;
  const unsigned offset = address->is_v4 ? 8 * kV4Offset : 0;
  const auto bits = parse_port(text.substr(slash + 1));
  if (!bits || *bits + offset > 128) {
    return std::unexpected(Fault{"has a bad number of bits behind its '/'", kRemedy});
  }
  range.bits = static_cast<uint8_t>(*bits + offset);
  for (unsigned bit = range.bits; bit < 128; ++bit) {
    if ((range.prefix[bit / 8] >> (7 - bit % 8) & 1) == 0) continue;
    return std::unexpected(Fault{"has bits set behind its prefix", kRemedy});
  }
  return range;
}

}  // namespace sluice::config
