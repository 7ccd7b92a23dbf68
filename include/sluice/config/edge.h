// Settings of the edge: HTTP/2, cross-origin rules, and what keeps hostile clients in bounds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sluice/base/clock.h>

namespace sluice::config {

// HTTP/2 to clients, chosen by ALPN; only a listener with TLS speaks it.
struct Http2Settings {
  bool enabled = true;
  uint32_t streams_max = 100;        // At one time, of one connection.
  uint32_t resets_per_second = 100;  // Streams that a client ends early; above it is a flood.
  // PING, SETTINGS, PRIORITY, WINDOW_UPDATE, CONTINUATION and empty DATA, of one connection.
  uint32_t control_frames_per_second = 1000;
  bool operator==(const Http2Settings&) const = default;
};

// Origins are compared as they are sent: scheme, host and port (RFC 6454 6.2).
struct OriginList {
  std::vector<std::string> allow;
  std::vector<std::string> deny;  // Goes before `allow` and before allow_all_origins.
  bool operator==(const OriginList&) const = default;
};

// Cross-origin resource sharing (Fetch standard), for browsers whose pages call the gateway.
struct CorsSettings {
  bool enabled = false;
  bool allow_all_origins = false;
  bool allow_credentials = false;
  std::vector<std::string> allow_methods = {"GET", "POST", "OPTIONS"};
  std::vector<std::string> allow_headers = {"authorization", "content-type", "x-api-key"};
  std::vector<std::string> expose_headers = {"x-request-id", "retry-after"};
  Duration max_age = seconds(600);
  OriginList data_origins;   // Of /v1 on `listen`.
  OriginList admin_origins;  // Of calls on `admin.listen`.
  bool operator==(const CorsSettings&) const = default;
};

}  // namespace sluice::config
