// A Redis URL and the addresses of Redis servers, taken apart.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/config/limiting.h>

#include "fault.h"

namespace sluice::config {

inline constexpr uint32_t kRedisDatabaseMax = 65'535;

struct RedisUrl {
  RedisAddress address;
  std::string username;  // Decoded; "" is none.
  std::string password;  // Decoded; a secret; "" is none.
  std::optional<uint32_t> database;
  bool tls = false;
};

// "redis://[user[:password]@]host[:port][/db]", the same with rediss, or "unix:///path[?db=N]".
// The fault's cause continues "url ..." and repeats nothing of the URL.
[[nodiscard]] std::expected<RedisUrl, Fault> parse_redis_url(std::string_view url);

// Whether the password in the URL, as it stands in the file with its variables not filled in, is
// spelled out there.
[[nodiscard]] bool spells_password(std::string_view raw_url) noexcept;

// "host", "host:port", "10.0.0.7:6379" or "[fd00::7]:6379"; in lower case.
[[nodiscard]] std::optional<RedisAddress> parse_redis_address(std::string_view text,
                                                              uint16_t default_port);

}  // namespace sluice::config
