#include "key_sources.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include <sluice/auth/database_source.h>
#include <sluice/auth/jwt_source.h>
#include <sluice/auth/redis_source.h>
#include <sluice/auth/webhook_source.h>
#include <sluice/base/assert.h>
#include <sluice/control/redis_options.h>

namespace sluice::control {
namespace {

using config::SourceKind;
using config::SourceSettings;
using metrics::KeySourceKind;
using Made = std::expected<std::unique_ptr<auth::KeySource>, std::string>;

constexpr size_t kAuthoritiesBytesMost = 1 << 20;

// Certificate authorities as PEM; "" for the system's.
std::expected<std::string, std::string> read_authorities(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string pem(kAuthoritiesBytesMost, '\0');
  file.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<size_t>(std::max(std::streamsize{0}, file.gcount())));
  if (pem.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return std::unexpected(
        fmt::format("{} cannot be read as certificates; give a readable PEM file", path));
  }
  return pem;
}

Made make_redis(const SourceSettings& settings, const SourceParts& parts) {
  auto authorities = read_redis_authorities(*settings.redis);
  if (!authorities) return std::unexpected(std::move(authorities.error()));
  return std::make_unique<auth::RedisSource>(
      parts.ring, parts.resolver, parts.log, settings,
      redis_options_of(*settings.redis, *std::move(authorities), parts.seed));
}

Made make_webhook(const SourceSettings& settings, const SourceParts& parts) {
  auto authorities = read_authorities(settings.tls_ca);
  if (!authorities) return std::unexpected(std::move(authorities.error()));
  return auth::WebhookSource::make(parts.ring, parts.resolver, settings, *std::move(authorities));
}

Made make_database(const SourceSettings& settings, const SourceParts& parts) {
  return auth::DatabaseSource::make(
      {.ring = parts.ring, .returns = parts.returns, .log = parts.log}, settings);
}

Made make_jwt(const SourceSettings& settings, const SourceParts& parts) {
  auto authorities = read_authorities(settings.tls_ca);
  if (!authorities) return std::unexpected(std::move(authorities.error()));
  return std::make_unique<auth::JwtSource>(parts.ring, parts.resolver, parts.log, settings,
                                           *std::move(authorities));
}

struct Maker {
  SourceKind kind;
  KeySourceKind outside;
  Made (*make)(const SourceSettings&, const SourceParts&);
};
constexpr Maker kMakers[] = {
    {SourceKind::kRedis, KeySourceKind::kRedis, make_redis},
    {SourceKind::kDatabase, KeySourceKind::kDatabase, make_database},
    {SourceKind::kWebhook, KeySourceKind::kWebhook, make_webhook},
    {SourceKind::kJwt, KeySourceKind::kJwt, make_jwt},
};

}  // namespace

std::optional<KeySourceKind> outside_kind(SourceKind kind) noexcept {
  const auto maker = std::ranges::find(kMakers, kind, &Maker::kind);
  if (maker == std::end(kMakers)) return std::nullopt;
  return maker->outside;
}

Made make_source(const SourceSettings& settings, const SourceParts& parts) {
  const auto maker = std::ranges::find(kMakers, settings.kind, &Maker::kind);
  SLUICE_ASSERT(maker != std::end(kMakers));
  return maker->make(settings, parts);
}

}  // namespace sluice::control
