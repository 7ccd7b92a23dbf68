#include "descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace sluice::app {
namespace {

constexpr uint64_t kLibraries = 32;  // stdio, name look-ups, the files of a scrape.
constexpr uint64_t kLogsAndSignals = 8;
constexpr uint64_t kSmallServers = 2 * 66;  // Admin and metrics: 64 connections and a listener.
constexpr uint64_t kPerRing = 3;            // The ring, its wake descriptor, a listener.
constexpr uint64_t kRefusedPerShard = 16;   // Accepted above the limit, on their way out.

}  // namespace

DescriptorNeeds count_descriptors(const config::Snapshot& snapshot, uint32_t shards) noexcept {
  DescriptorNeeds needs;
  needs.fixed = kLibraries + kLogsAndSignals + kSmallServers + kPerRing * (shards + 1);
  needs.clients = snapshot.limits.connections_max + kRefusedPerShard * shards;
  uint64_t idle = 0, most = 0;
  for (const config::Upstream& upstream : snapshot.upstreams) {
    idle += uint64_t{upstream.pool.idle_max} * shards;
    most += uint64_t{upstream.pool.connections_max} * shards;
  }
  // A client has one attempt running at a time; the rest of the open ones are idle.
  needs.upstreams = std::min(most, snapshot.limits.connections_max + idle);
  return needs;
}

std::expected<DescriptorPlan, std::string> plan_descriptors(const DescriptorNeeds& needs,
                                                            uint64_t soft_limit,
                                                            uint64_t hard_limit) {
  if (needs.least() > hard_limit) {
    // Half of what is left goes to clients, the other half to their upstream connections.
    const uint64_t clients = hard_limit > needs.fixed ? (hard_limit - needs.fixed) / 2 : 0;
    const std::string lower = clients > 0
                                  ? fmt::format("set limits.connections_max to {} or less", clients)
                                  : std::string("that is too low for any use");
    return std::unexpected(fmt::format(
        "limits.connections_max needs {} file descriptors and the hard limit is {}; {}, or raise "
        "the limit to {} (`ulimit -Hn`, LimitNOFILE= of systemd)",
        needs.least(), hard_limit, lower, needs.all()));
  }
  DescriptorPlan plan{.soft_limit = std::max(soft_limit, std::min(needs.all(), hard_limit))};
  if (needs.all() > hard_limit) {
    plan.warning = fmt::format(
        "{} file descriptors are wanted at full load ({} for clients, {} for upstreams) and the "
        "hard limit is {}: upstream connections are limited to {}, above that requests fail over; "
        "raise the limit (`ulimit -Hn`, LimitNOFILE= of systemd) or lower limits.connections_max",
        needs.all(), needs.clients, needs.upstreams, hard_limit, hard_limit - needs.least());
  }
  return plan;
}

std::expected<std::string, std::string> raise_limits(const config::Snapshot& snapshot,
                                                     uint32_t shards) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return std::unexpected(
        fmt::format("cannot read the limit of file descriptors: {}", std::strerror(errno)));
  }
  auto plan = plan_descriptors(count_descriptors(snapshot, shards), limit.rlim_cur, limit.rlim_max);
  if (!plan) return std::unexpected(std::move(plan.error()));
  if (plan->soft_limit > limit.rlim_cur) {
    limit.rlim_cur = plan->soft_limit;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      return std::unexpected(fmt::format(
          "cannot raise the limit of file descriptors to {}: {}; raise it before the start "
          "(`ulimit -n {}`)",
          plan->soft_limit, std::strerror(errno), plan->soft_limit));
    }
  }
  return std::move(plan->warning);
}

uint64_t descriptor_limit() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

}  // namespace sluice::app
