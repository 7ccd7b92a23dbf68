#include <sluice/control/tls_profiles.h>

#include <algorithm>
#include <iterator>

namespace sluice::control {

std::expected<std::vector<upstream::ShardTls>, std::string> make_tls_profiles(
    const TlsFiles& files, size_t shards, net::SystemAuthorities& system) {
  std::vector<upstream::ShardTls> made(shards);
  for (upstream::ShardTls& shard : made) {
    if (files.server) {
      // The keys of tickets follow when the contexts are sent: they may turn until then.
      auto context = net::TlsServer::make(*files.server, {});
      if (!context) return std::unexpected(std::move(context.error()));
      shard.server = *std::move(context);
    }
    auto clients = net::TlsClient::make(files.upstreams, system);
    if (!clients) return std::unexpected(std::move(clients.error()));
    shard.clients = *std::move(clients);
  }
  return made;
}

LoadedWithTls load_with_tls(const std::string& path, const config::Environment& environment,
                            WallTime now, size_t shards, net::SystemAuthorities& system,
                            const config::Members& members) {
  Loaded loaded = load_with_files(path, environment, now, members);
  LoadedWithTls made{std::move(loaded.config), {}};
  if (made.config.snapshot == nullptr) return made;
  auto profiles = make_tls_profiles(loaded.tls, shards, system);
  if (profiles) {
    made.tls = {*std::move(profiles), std::move(loaded.tls.lives)};
  } else {
    made.config.snapshot.reset();
    made.config.errors.push_back({.file = path,
                                  .cause = profiles.error(),
                                  .remedy = "the keys below `tls` say which files are meant"});
  }
  return made;
}

bool TicketRotation::advance(MonoTime now) noexcept {
  if (!next_.has_passed(now)) return false;
  next_ = Deadline{now + kPeriod};
  keys_ = keys_.rotated();
  return true;
}

}  // namespace sluice::control
