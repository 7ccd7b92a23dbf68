#include <sluice/control/redis_options.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {
namespace {

constexpr size_t kAuthoritiesBytesMost = 1 << 20;

store::RedisOptions::Kind kind_of(config::RedisKind kind) noexcept {
  switch (kind) {
    case config::RedisKind::kStandalone: return store::RedisOptions::Kind::kStandalone;
    case config::RedisKind::kSentinel: return store::RedisOptions::Kind::kSentinel;
    case config::RedisKind::kCluster: return store::RedisOptions::Kind::kCluster;
  }
  return store::RedisOptions::Kind::kStandalone;
}

}  // namespace

store::RedisOptions redis_options_of(const config::RedisSettings& settings, std::string tls_ca_pem,
                                     uint64_t seed) {
  store::RedisOptions options{.kind = kind_of(settings.kind),
                              .endpoints = {},
                              .master = settings.master,
                              .database = settings.database,
                              .username = settings.username,
                              .password = settings.password,
                              .sentinel_user = {},
                              .sentinel_password = settings.sentinel_password,
                              .tls = settings.tls,
                              .tls_ca_pem = std::move(tls_ca_pem),
                              .tls_server_name = settings.tls_server_name,
                              .seed = seed};
  options.endpoints.reserve(settings.addresses.size());
  for (const config::RedisAddress& address : settings.addresses) {
    options.endpoints.push_back({.host = address.host, .port = address.port});
  }
  return options;
}

std::expected<std::string, std::string> read_redis_authorities(
    const config::RedisSettings& settings) {
  if (!settings.tls || settings.tls_ca.empty()) return std::string();
  std::ifstream file(settings.tls_ca, std::ios::binary);
  std::string pem(kAuthoritiesBytesMost, '\0');
  file.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<size_t>(std::max(std::streamsize{0}, file.gcount())));
  if (pem.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return std::unexpected(
        fmt::format("redis.tls.ca {}: cannot be read as certificates; give a readable PEM file",
                    settings.tls_ca));
  }
  return pem;
}

}  // namespace sluice::control
