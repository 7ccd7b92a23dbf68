// The PROXY protocol, version 2: what a balancer says before a connection's first byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <sluice/base/ip_class.h>

namespace sluice::net {

// Signature, command, family and length; what follows is as long as the length says.
inline constexpr size_t kProxyFrontBytes = 16;
// The longest header that is accepted, front included. Longer type-length-values are refused.
inline constexpr size_t kProxyBytesMax = 536;

enum class ProxyState : uint8_t { kNeedMore, kDone, kRefused };

struct ProxyHeader {
  ProxyState state = ProxyState::kNeedMore;
  // With kDone the header's length; with kNeedMore how many bytes there must be for the next look,
  // so that a reader who asks for no more never takes a byte that belongs to TLS or HTTP.
  size_t bytes = kProxyFrontBytes;
  // IPv4 as ::ffff:a.b.c.d. Empty with LOCAL: the balancer speaks for itself.
  std::optional<Ipv6Bytes> source;
};

// Looks at everything received so far. TCP over IPv4 and IPv6 and LOCAL are known, all else,
// version 1 too, is refused at the first byte that shows it. Pure.
[[nodiscard]] ProxyHeader parse_proxy_header(std::string_view received) noexcept;

}  // namespace sluice::net
