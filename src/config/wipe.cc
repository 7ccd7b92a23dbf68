#include <sluice/config/wipe.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sluice/crypto/secret.h>

namespace sluice::config {
namespace {

void wipe_text(std::string& text) noexcept {
  crypto::wipe(text.data(), text.size());
  text.clear();
}

void wipe_values(std::vector<std::pair<std::string, std::string>>& headers) noexcept {
  for (auto& [name, value] : headers) wipe_text(value);
}

void wipe_upstream(Upstream& upstream) noexcept {
  wipe_text(upstream.credential.value);
  for (Header& header : upstream.headers) wipe_text(header.value);
  if (upstream.proxy) wipe_text(upstream.proxy->authorization);
}

void wipe_redis(std::optional<RedisSettings>& redis) noexcept {
  if (!redis) return;
  wipe_text(redis->password);
  wipe_text(redis->sentinel_password);
}

}  // namespace

void wipe_secrets(Snapshot& snapshot) noexcept {
  for (Upstream& upstream : snapshot.upstreams) wipe_upstream(upstream);
  wipe_redis(snapshot.redis);
  for (SourceSettings& source : snapshot.auth.sources) {
    wipe_redis(source.redis);
    if (source.sql) wipe_text(source.sql->password);
    wipe_values(source.headers);
  }
  if (snapshot.usage_log) {
    for (ReporterSettings& reporter : snapshot.usage_log->reporters) {
      if (reporter.sql) wipe_text(reporter.sql->password);
      wipe_values(reporter.headers);
    }
  }
  wipe_text(snapshot.admin.bootstrap_token);
}

}  // namespace sluice::config
