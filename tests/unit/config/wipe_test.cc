#include <sluice/config/wipe.h>

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace sluice::config {
namespace {

TEST(WipeSecrets, every_place_of_a_secret_is_overwritten) {
  // Short enough to lie in the object itself, so that what is left can be looked at.
  const std::string secret = "sk-secret";
  Snapshot snapshot;
  Upstream upstream;
  upstream.name = "up";
  upstream.credential = {.name = "authorization", .value = secret};
  upstream.headers = {{.name = "x", .value = secret}};
  upstream.proxy.emplace().authorization = secret;
  snapshot.upstreams = {upstream};
  snapshot.redis.emplace().password = secret;
  snapshot.redis->sentinel_password = secret;
  SourceSettings source;
  source.redis = snapshot.redis;
  source.sql.emplace().password = secret;
  source.headers = {{"x", secret}};
  snapshot.auth.sources = {source};
  ReporterSettings reporter;
  reporter.sql = source.sql;
  reporter.headers = source.headers;
  snapshot.usage_log.emplace().reporters = {reporter};
  snapshot.admin.bootstrap_token = secret;
  const std::vector<std::string*> places = {
      &snapshot.upstreams[0].credential.value,
      &snapshot.upstreams[0].headers[0].value,
      &snapshot.upstreams[0].proxy->authorization,
      &snapshot.redis->password,
      &snapshot.redis->sentinel_password,
      &snapshot.auth.sources[0].redis->password,
      &snapshot.auth.sources[0].sql->password,
      &snapshot.auth.sources[0].headers[0].second,
      &snapshot.usage_log->reporters[0].sql->password,
      &snapshot.usage_log->reporters[0].headers[0].second,
      &snapshot.admin.bootstrap_token,
  };
  wipe_secrets(snapshot);
  for (std::string* const place : places) {
    EXPECT_EQ(*place, "");
    std::string left(secret.size(), '.');
    std::memcpy(left.data(), place->data(), left.size());
    EXPECT_EQ(left, std::string(secret.size(), '\0'));
  }
  EXPECT_EQ(snapshot.upstreams[0].name, "up");
}

}  // namespace
}  // namespace sluice::config
