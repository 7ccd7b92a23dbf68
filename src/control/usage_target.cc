#include "usage_target.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "usage_table.h"
#include "usage_webhook.h"

namespace sluice::control {
namespace {

constexpr size_t kAuthoritiesBytesMost = 1 << 20;

}  // namespace

UsageResult<std::unique_ptr<UsageTarget>> make_usage_target(
    const config::ReporterSettings& settings, std::string authorities, io::Ring& ring,
    io::OffloadReturns& returns, net::Resolver& resolver) {
  if (settings.kind == config::ReporterSettings::Kind::kDatabase) {
    return UsageTable::make(settings, ring, returns);
  }
  return UsageWebhook::make(settings, std::move(authorities), ring, resolver);
}

UsageResult<std::string> read_authorities(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string pem(kAuthoritiesBytesMost, '\0');
  file.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<size_t>(std::max(std::streamsize{0}, file.gcount())));
  if (pem.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return std::unexpected(
        fmt::format("tls_ca {}: cannot be read as certificates; give a readable PEM file", path));
  }
  return pem;
}

}  // namespace sluice::control
