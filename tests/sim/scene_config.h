// Random configurations for scenes: the same upstreams, other limits and timeouts.
#pragma once

#include <string>

#include "prng.h"
#include "sim_world.h"

namespace sluice::sim {

inline net::Address upstream_address(uint32_t index) {
  return support::sim_address(("10.0.1." + std::to_string(index + 1)).c_str(), 8000);
}

// In calm and rough worlds the timeouts are too long to matter.
inline std::string scene_config(support::Prng& prng, uint32_t upstreams, bool is_hostile,
                                bool is_secured) {
  const auto pick = [&](uint64_t low, uint64_t high) {
    return std::to_string(prng.between(low, high));
  };
  std::string text =
      "limits: {held_bytes_max: " + pick(4, 64) + "KiB, attempts: " + pick(1, 3) + "}\n";
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
    if (!is_hostile) continue;
    text += "    timeouts: {connect: " + pick(10, 2000) + "ms, response: " + pick(100, 5000) +
            "ms, idle: " + pick(100, 5000) + "ms}\n";
  }
  for (const std::string_view model : {"m", "other"}) {
    text += (model == "m" ? "models:\n" : "") + std::string("  - name: ") + std::string(model) +
            "\n    routes:\n";
    for (uint32_t i = 0; i < upstreams; ++i) {
      text += "      - {upstream: u" + std::to_string(i) + ", priority: " + pick(0, 1) + "}\n";
    }
  }
  return text;
}

}  // namespace sluice::sim
