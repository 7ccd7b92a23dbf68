// What a region is and what befalls it, drawn from a seed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config/limiting.h>
#include <sluice/io/buffer.h>

#include "fault_plan.h"

namespace sluice::sim {

// What can be left out of a region without changing the rest, to find out what a failure needs.
enum class Part : uint32_t {
  kNetwork,    // Resets, refused connects, late and cut bytes.
  kUpstreams,  // Faults of upstreams.
  kLeaving,    // Clients that leave, reset or stall.
  kReloads,
  kDrains,
  kUpgrades,
  kLedgerFaults,
  kLedger,
  kNames,  // Upstreams with names, which are not always found.
  kLimits,
  kHttp2,
  kTls,
  kHedging,  // And recovery, fallbacks, retries.
};
inline constexpr std::string_view kPartNames[] = {
    "network", "upstreams", "leaving", "reloads", "drains", "upgrades", "ledger-faults",
    "ledger",  "names",     "limits",  "http2",   "tls",    "hedging"};

struct RegionPlan {
  uint64_t seed = 1;
  uint32_t without = 0;       // A bit for each Part.
  uint32_t clients_most = 0;  // 0 is as drawn.

  // Drawn from the seed.
  bool is_hostile = true;
  bool is_secured = false;
  bool has_text = true;
  bool has_ledger = false;
  bool has_names = false;
  uint32_t gateways = 1;
  uint32_t shards = 2;
  uint32_t upstreams = 2;
  uint32_t clients = 10;
  uint32_t requests_per_minute = 0;  // Of a gateway, or of all with a ledger; 0 is no limit.
  uint32_t concurrency = 0;          // The same.
  config::OnLoss on_loss = config::OnLoss::kShare;
  uint64_t budget_bytes = 256u << 20;
  io::BufferLimits buffers{.hot = 64, .most = 256};
  support::FaultPlan faults;

  [[nodiscard]] static RegionPlan of_seed(uint64_t seed, uint32_t without = 0,
                                          uint32_t clients_most = 0);
  [[nodiscard]] bool has(Part part) const noexcept {
    return (without >> static_cast<uint32_t>(part) & 1) == 0;
  }
  // The configuration number `generation` of all gateways.
  [[nodiscard]] std::string config(uint32_t generation) const;
  // Plays exactly this.
  [[nodiscard]] std::string command() const;
  [[nodiscard]] std::string describe() const;
};

}  // namespace sluice::sim
