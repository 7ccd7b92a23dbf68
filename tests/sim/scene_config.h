// Random configurations for scenes: the same upstreams, other limits and timeouts.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "prng.h"
#include "sim_world.h"

namespace sluice::sim {

inline net::Address upstream_address(uint32_t index) {
  return support::sim_address(("10.0.1." + std::to_string(index + 1)).c_str(), 8000);
}

// How a model chooses, waits, tries again. In rough worlds waiting is long and lines are longer, so
// that everybody is served.
inline std::string scene_routing(support::Prng& prng, bool is_hostile, bool has_text) {
  const auto pick = [&](uint64_t low, uint64_t high) {
    return std::to_string(prng.between(low, high));
  };
  constexpr std::array<std::string_view, 9> kStrategies{
      "round_robin", "weighted",     "random",         "least_busy", "power_of_two",
      "failover",    "lowest_usage", "lowest_latency", "affinity"};
  std::string text =
      "    strategy: " + std::string(kStrategies[prng.below(kStrategies.size())]) + "\n";
  if (prng.chance(300)) text += "    concurrency_max: " + pick(1, 6) + "\n";
  if (is_hostile) {
    text += "    queue: {length_max: " + pick(0, 5) + ", wait_max: " + pick(10, 3000) + "ms}\n";
    text += "    retries: {backoff: " + pick(1, 50) + "ms, backoff_max: " + pick(50, 500) +
            "ms, budget: " + pick(0, 100) + "%, budget_min: " + pick(0, 10) + "}\n";
  } else {
    text += "    queue: {wait_max: 1h}\n";
  }
  if (prng.chance(250)) {
    text += "    hedge: {quantile: 50%, after_min: " + pick(1, 20) + "ms, budget: 100%}\n";
  }
  if (has_text && prng.chance(200)) text += "    recovery: retry\n";
  if (prng.chance(200)) text += "    ping: " + pick(100, 400) + "ms\n";
  return text;
}

// In calm and rough worlds the timeouts are too long to matter.
inline std::string scene_config(support::Prng& prng, uint32_t upstreams, bool is_hostile,
                                bool is_secured, bool has_text) {
  const auto pick = [&](uint64_t low, uint64_t high) {
    return std::to_string(prng.between(low, high));
  };
  std::string text = "limits: {held_bytes_max: " + pick(4, 64) + "KiB, attempts: " + pick(1, 3) +
                     ", concurrency_max: " + (prng.chance(200) ? pick(1, 8) : "0") + "}\n";
  if (is_hostile) {
    text += "timeouts: {head: " + pick(500, 5000) + "ms, body: " + pick(500, 5000) +
            "ms, keep_alive: " + pick(50, 5000) + "ms, stall: " + pick(500, 5000) + "ms}\n";
  }
  if (is_secured) text += "tls: {certificates: [{certificate: leaf.pem, key: leaf.key}]}\n";
  text += "upstreams:\n";
  for (uint32_t i = 0; i < upstreams; ++i) {
    const std::string url =
        (is_secured ? "https://10.0.1." : "http://10.0.1.") + std::to_string(i + 1) + ":8000";
    text += "  - name: u" + std::to_string(i) + "\n    private_addresses: true\n    url: " + url +
            (is_secured ? "\n    tls: {ca: ca.pem, server_name: upstream.test}" : "") +
            "\n    pool: {idle_max: " + pick(0, 4) + ", idle_timeout: " + pick(10, 3000) +
            "ms, age_max: " + pick(10, 3000) +
            "ms, connections_max: " + (is_hostile ? pick(1, 20) : "1000") + "}\n";
    if (prng.chance(300)) text += "    concurrency_max: " + pick(1, 4) + "\n";
    if (!is_hostile) continue;
    text += prng.chance(200)
                ? "    breaker: off\n"
                : "    breaker: {consecutive: " + pick(1, 5) + ", requests_min: " + pick(2, 20) +
                      ", open_for: " + pick(100, 2000) + "ms, probes: " + pick(1, 3) +
                      ", successes: " + pick(1, 3) + "}\n";
    text += "    timeouts: {connect: " + pick(10, 2000) + "ms, response: " + pick(100, 5000) +
            "ms, idle: " + pick(100, 5000) +
            "ms, first_token: " + (prng.chance(300) ? pick(50, 3000) + "ms" : "off") +
            ", total: " + (prng.chance(300) ? pick(100, 9000) + "ms" : "off") + "}\n";
  }
  for (const std::string_view model : {"m", "other"}) {
    text += (model == "m" ? "models:\n" : "") + std::string("  - name: ") + std::string(model) +
            "\n" + scene_routing(prng, is_hostile, has_text);
    if (model == "m" && prng.chance(400)) text += "    fallbacks: [other]\n";
    text += "    routes:\n";
    for (uint32_t i = 0; i < upstreams; ++i) {
      text += "      - {upstream: u" + std::to_string(i) + ", priority: " + pick(0, 1) + "}\n";
    }
  }
  // Limits that are never reached: whatever becomes of a request, all that it holds comes back.
  if (prng.chance(400)) {
    text += "rate_limits:\n";
    for (const std::string_view per : {"gateway", "ip", "model", "upstream"}) {
      text += "  - {name: of-" + std::string(per) + ", per: " + std::string(per) +
              ", requests_per_minute: 1000M, tokens_per_minute: 1000M, concurrency: 100000}\n";
    }
  }
  return text;
}

}  // namespace sluice::sim
