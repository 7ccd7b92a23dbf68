#include "door.h"

#include <cerrno>
#include <string>

#include <sluice/config/address_match.h>
#include <sluice/net/stream.h>

namespace sluice::server {
namespace {

using metrics::AcceptPause;
using metrics::RefusedConnection;

// Above that share of the byte budget in use.
constexpr uint64_t kBudgetPercentMost = 90;

std::string_view sentence_of(AcceptPause what) noexcept {
  switch (what) {
    case AcceptPause::kDescriptors:
      return "accepting pauses: no file descriptors are left; raise the limit (`ulimit -n`, "
             "LimitNOFILE= of systemd) or lower limits.connections_max";
    case AcceptPause::kMemory:
      return "accepting pauses: bodies and backlogs use nearly all of limits.byte_budget, or the "
             "kernel has no memory for sockets; raise it, or lower limits.connections_max";
    case AcceptPause::kBuffers: break;
  }
  return "accepting pauses: most receive buffers of a shard are in use; more shards or fewer "
         "connections (limits.connections_max) help if this lasts";
}

bool limits_addresses(const config::Snapshot& config) noexcept {
  return config.limits.connections_per_address > 0 ||
         (config.tls && config.tls->handshakes_per_address > 0);
}

}  // namespace

std::optional<RefusedConnection> Door::let_in(const config::Snapshot& config, int fd,
                                              Arrival& arrival) noexcept {
  if (parts_.addresses == nullptr || !limits_addresses(config)) return std::nullopt;
  arrival.peer = net::peer_ip(parts_.ring.syscalls(), fd);
  arrival.has_asked_peer = true;
  return let_in_peer(config, arrival);
}

std::optional<RefusedConnection> Door::let_in_peer(const config::Snapshot& config,
                                                   Arrival& arrival) noexcept {
  if (parts_.addresses == nullptr || !arrival.peer) return std::nullopt;
  if (config::contains(config.trusted_proxies, *arrival.peer)) return std::nullopt;
  std::optional<RefusedConnection> refused;
  if (const uint32_t most = config.limits.connections_per_address; most > 0) {
    arrival.pass = parts_.addresses->enter(*arrival.peer, most);
    if (!arrival.pass) refused = RefusedConnection::kAddress;
  }
  const uint32_t rate = config.tls ? config.tls->handshakes_per_address : 0;
  if (!refused && rate > 0 &&
      !parts_.addresses->may_begin_handshake(*arrival.peer, rate, parts_.ring.now())) {
    arrival.pass = {};
    refused = RefusedConnection::kHandshakes;
  }
  if (refused) parts_.cells.connections_refused[*refused].add();
  return refused;
}

std::optional<AcceptPause> Door::what_is_short(int accepted) const noexcept {
  switch (accepted) {
    case -EMFILE:
    case -ENFILE: return AcceptPause::kDescriptors;
    case -ENOMEM:
    case -ENOBUFS: return AcceptPause::kMemory;
    default: break;
  }
  const bool is_near_limit =
      parts_.descriptors_max > kDescriptorReserve && accepted > 0 &&
      static_cast<uint64_t>(accepted) >= parts_.descriptors_max - kDescriptorReserve;
  if (is_near_limit) return AcceptPause::kDescriptors;
  for (const AcceptPause what : {AcceptPause::kMemory, AcceptPause::kBuffers}) {
    if (is_short(what)) return what;
  }
  // Any other failure of accept is of one connection, but must not spin.
  return accepted < 0 ? std::optional(AcceptPause::kMemory) : std::nullopt;
}

bool Door::is_short(AcceptPause what) const noexcept {
  switch (what) {
    case AcceptPause::kMemory:
      return parts_.budget.used() > parts_.budget.ceiling() / 100 * kBudgetPercentMost;
    case AcceptPause::kBuffers: return parts_.ring.buffers().is_nearly_spent();
    case AcceptPause::kDescriptors: break;  // The next descriptor's number will tell.
  }
  return false;
}

std::optional<AcceptPause> Door::find_shortage(int accepted) {
  const std::optional<AcceptPause> what = what_is_short(accepted);
  if (!what) return std::nullopt;
  // What is only kept for reuse counts as used.
  if (*what == AcceptPause::kMemory) parts_.blocks.drop_cache();
  if (accepted > 0 && *what == AcceptPause::kMemory && !is_short(*what)) return std::nullopt;
  parts_.cells.accept_pauses[*what].add();
  tell(*what);
  return what;
}

void Door::tell(AcceptPause what) {
  MonoTime& told_at = told_at_[static_cast<size_t>(what)];
  const MonoTime now = parts_.ring.now();
  if (told_at != MonoTime{} && now - told_at < kTellAgain) return;
  told_at = now;
  parts_.log.write(LogLevel::kWarn, "server", sentence_of(what));
}

}  // namespace sluice::server
