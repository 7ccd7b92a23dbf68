// Settings of the process itself: its bounds, its clients' clocks, its logs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/base/log.h>

namespace sluice::config {

// Sizes and counts; every one bounds something that a peer could make grow.
struct Limits {
  uint32_t head_bytes_max = 16 * 1024 - 64;  // One receive buffer.
  uint32_t header_count_max = 100;
  uint64_t body_bytes_max = 32u << 20;
  uint64_t byte_budget = 1u << 30;      // Bodies and backlogs of the whole process.
  uint32_t held_bytes_max = 64 * 1024;  // Per stream, between upstream and a slow client.
  uint32_t json_depth_max = 128;
  uint32_t connections_max = 16'384;  // Client connections, whole process.
  // Of them from one address (IPv6: one /64), whole process; 0 is no limit.
  uint32_t connections_per_address = 0;
  uint32_t body_rate_min = 1024;  // Bytes a second that a body must come in; 0 is no limit.
  uint32_t attempts = 3;          // Upstream attempts per request, of all kinds.
  uint32_t concurrency_max = 0;   // Requests in flight upstream, whole process; 0 is no limit.
  // Subjects that limits count for at one time; beyond it new ones are refused.
  uint32_t subjects_max = 65'536;
  std::string bank_file;  // Keeps the counts over a restart; "" keeps them in memory.
  bool operator==(const Limits&) const = default;
};

struct ClientTimeouts {
  Duration first_byte = seconds(10);  // Accepted to its first byte.
  Duration head = seconds(10);        // First byte of a request to its full head.
  Duration body = seconds(60);        // Head to full body.
  Duration keep_alive = seconds(75);  // Idle between requests.
  Duration stall = seconds(30);       // A client that takes no byte.
  bool operator==(const ClientTimeouts&) const = default;
};

enum class LogFormat : uint8_t { kJson, kText };

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
  std::string file;                 // "" is stderr.
  std::vector<std::string> redact;  // RE2 patterns; what they match never reaches a log.
};

struct AccessLogSettings {
  bool enabled = true;
  std::string file;  // "" is stdout.
};

}  // namespace sluice::config
