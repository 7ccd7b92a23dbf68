#include "dial_rules.h"

#include <sluice/base/ip_class.h>

namespace sluice::config {
namespace {

// RFC 6761: never anything but this machine.
bool is_localhost(std::string_view host) noexcept {
  constexpr std::string_view kLocalhost = "localhost";
  if (!host.ends_with(kLocalhost)) return false;
  return host.size() == kLocalhost.size() || host[host.size() - kLocalhost.size() - 1] == '.';
}

}  // namespace

std::optional<Fault> refuse_host(std::string_view host, bool private_addresses) {
  const auto ip_class =
      is_localhost(host) ? std::optional(IpClass::kLoopback) : classify_text(host);
  if (!ip_class || may_dial(*ip_class, private_addresses)) return std::nullopt;
  constexpr const char* kAllow = "write `private_addresses: true` beside it if that is meant";
  switch (*ip_class) {
    case IpClass::kLoopback: return Fault{"leads to this machine", kAllow};
    case IpClass::kPrivate: return Fault{"has an address of a private network", kAllow};
    case IpClass::kPublic:
    case IpClass::kForbidden: break;
  }
  return Fault{
      "has an address that no server on the network has: a link-local, metadata, "
      "multicast or reserved one",
      "write the server's routable address"};
}

}  // namespace sluice::config
