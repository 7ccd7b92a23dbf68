// The operating system's limits: what the configuration needs of them, and whether it gets it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include <sluice/config/snapshot.h>

namespace sluice::app {

// File descriptors, by what needs them.
struct DescriptorNeeds {
  uint64_t fixed = 0;      // Rings, listeners, logs, admin and metrics connections, libraries.
  uint64_t clients = 0;    // limits.connections_max, and what is accepted only to be refused.
  uint64_t upstreams = 0;  // Pooled connections, when every client has a request in flight.
  [[nodiscard]] uint64_t least() const noexcept { return fixed + clients; }
  [[nodiscard]] uint64_t all() const noexcept { return least() + upstreams; }
};

[[nodiscard]] DescriptorNeeds count_descriptors(const config::Snapshot& snapshot,
                                                uint32_t shards) noexcept;

struct DescriptorPlan {
  uint64_t soft_limit = 0;  // What to set; never above the hard limit, never below what is set.
  std::string warning;      // "" when everything fits.
};

// The error says which setting to lower, to what value, or which limit to raise.
[[nodiscard]] std::expected<DescriptorPlan, std::string> plan_descriptors(
    const DescriptorNeeds& needs, uint64_t soft_limit, uint64_t hard_limit);

// Sets the soft limit of this process as planned for `snapshot`. The warning or the error is a
// sentence with cause and remedy.
//
// Rings count as locked memory of the user where it has no CAP_IPC_LOCK (measured on Linux 6.18:
// about 460 KiB for each shard); open_uring_kernel() names the remedy when that is too little.
[[nodiscard]] std::expected<std::string, std::string> raise_limits(const config::Snapshot& snapshot,
                                                                   uint32_t shards);

// How many descriptors the process may have now; 0 when that is unknown.
[[nodiscard]] uint64_t descriptor_limit() noexcept;

}  // namespace sluice::app
