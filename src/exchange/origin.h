// Which client a request came from, for limits by address and for the log.
#pragma once

#include <span>

#include <sluice/base/ip_class.h>
#include <sluice/config/limiting.h>
#include <sluice/http/headers.h>

namespace sluice::exchange {

// `peer` is who the connection came from, by the kernel or by the PROXY protocol. Its headers are
// believed only while the one who wrote them is in `trusted`, so those of any other peer change
// nothing (D125). Forwarded goes before X-Forwarded-For. IPv4 as ::ffff:a.b.c.d.
[[nodiscard]] Ipv6Bytes find_client(const Ipv6Bytes& peer,
                                    std::span<const config::AddressRange> trusted,
                                    const http::HeaderList& headers) noexcept;

}  // namespace sluice::exchange
