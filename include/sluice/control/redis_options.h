// What the Redis client is made of, from the configuration.
#pragma once

#include <expected>
#include <string>

#include <sluice/config/limiting.h>
#include <sluice/store/redis_client.h>

namespace sluice::control {

// `tls_ca_pem` is the content of settings.tls_ca, "" without one; `seed` differs between processes.
[[nodiscard]] store::RedisOptions redis_options_of(const config::RedisSettings& settings,
                                                   std::string tls_ca_pem, uint64_t seed);

// What `tls_ca_pem` is to be. Blocks on the disk. The error is a sentence with place and remedy.
[[nodiscard]] std::expected<std::string, std::string> read_redis_authorities(
    const config::RedisSettings& settings);

}  // namespace sluice::control
