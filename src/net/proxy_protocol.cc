#include <sluice/net/proxy_protocol.h>

#include <algorithm>
#include <cstring>

namespace sluice::net {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kCommandAt = 12;
constexpr size_t kFamilyAt = 13;
constexpr size_t kLengthAt = 14;
constexpr uint8_t kLocal = 0x20;
constexpr uint8_t kProxy = 0x21;
constexpr uint8_t kTcpOverIpv4 = 0x11;
constexpr uint8_t kTcpOverIpv6 = 0x21;
// Two addresses and two ports.
constexpr size_t kIpv4Bytes = 12;
constexpr size_t kIpv6Bytes = 36;

constexpr ProxyHeader kRefusal{ProxyState::kRefused, 0, std::nullopt};

}  // namespace

ProxyHeader parse_proxy_header(std::string_view received) noexcept {
  const auto byte = [received](size_t at) { return static_cast<uint8_t>(received[at]); };
  const size_t signed_bytes = std::min(received.size(), kSignature.size());
  if (received.substr(0, signed_bytes) != kSignature.substr(0, signed_bytes)) return kRefusal;
  const bool has_command = received.size() > kCommandAt;
  if (has_command && byte(kCommandAt) != kLocal && byte(kCommandAt) != kProxy) return kRefusal;
  const bool is_local = has_command && byte(kCommandAt) == kLocal;
  size_t needed = 0;
  if (received.size() > kFamilyAt && !is_local) {
    const uint8_t family = byte(kFamilyAt);
    if (family != kTcpOverIpv4 && family != kTcpOverIpv6) return kRefusal;
    needed = family == kTcpOverIpv4 ? kIpv4Bytes : kIpv6Bytes;
  }
  if (received.size() < kProxyFrontBytes) return {};
  const size_t length = static_cast<size_t>(byte(kLengthAt)) << 8 | byte(kLengthAt + 1);
  const size_t whole = kProxyFrontBytes + length;
  if (length < needed || whole > kProxyBytesMax) return kRefusal;
  if (received.size() < whole) return {ProxyState::kNeedMore, whole, std::nullopt};
  ProxyHeader header{ProxyState::kDone, whole, std::nullopt};
  if (is_local) return header;
  Ipv6Bytes source{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  const bool is_ipv4 = needed == kIpv4Bytes;
  std::memcpy(source.data() + (is_ipv4 ? 12 : 0), received.data() + kProxyFrontBytes,
              is_ipv4 ? 4 : 16);
  header.source = source;
  return header;
}

}  // namespace sluice::net
