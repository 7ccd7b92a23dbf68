// What the Redis client is made of, from the configuration.
#pragma once

#include <string>

#include <sluice/config/limiting.h>
#include <sluice/store/redis_client.h>

namespace sluice::control {

// `tls_ca_pem` is the content of settings.tls_ca, "" without one; `seed` differs between processes.
[[nodiscard]] store::RedisOptions redis_options_of(const config::RedisSettings& settings,
                                                   std::string tls_ca_pem, uint64_t seed);

}  // namespace sluice::control
