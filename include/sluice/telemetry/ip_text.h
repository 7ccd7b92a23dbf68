// IP addresses as people write them.
#pragma once

#include <sluice/base/bounded_text.h>
#include <sluice/base/ip_class.h>

namespace sluice::telemetry {

// "192.0.2.7" for ::ffff:192.0.2.7; IPv6 as RFC 5952 says: "2001:db8::1".
[[nodiscard]] BoundedText<45> ip_text(const Ipv6Bytes& address) noexcept;

}  // namespace sluice::telemetry
