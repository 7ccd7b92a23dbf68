#include "origin.h"

#include <array>
#include <string_view>

#include <sluice/config/address_match.h>
#include <sluice/http/forwarded.h>

namespace sluice::exchange {
namespace {

Ipv6Bytes walk_back(const Ipv6Bytes& peer, std::span<const config::AddressRange> trusted,
                    http::ForwardedWalk walk) noexcept {
  Ipv6Bytes client = peer;
  while (config::contains(trusted, client)) {
    const auto before = walk.next();
    if (!before) break;
    client = *before;
  }
  return client;
}

}  // namespace

Ipv6Bytes find_client(const Ipv6Bytes& peer, std::span<const config::AddressRange> trusted,
                      const http::HeaderList& headers) noexcept {
  if (!config::contains(trusted, peer)) return peer;
  using http::ForwardedSyntax;
  using http::HeaderName;
  for (const HeaderName name : {HeaderName::kForwarded, HeaderName::kXForwardedFor}) {
    std::array<std::string_view, http::HeaderList::kCapacity> lines;
    size_t count = 0;
    for (const http::HeaderField field : headers) {
      if (field.id == name) lines[count++] = field.value;
    }
    if (count == 0) continue;
    const auto syntax = name == HeaderName::kForwarded ? ForwardedSyntax::kForwarded
                                                       : ForwardedSyntax::kXForwardedFor;
    return walk_back(peer, trusted, {std::span(lines.data(), count), syntax});
  }
  return peer;
}

}  // namespace sluice::exchange
