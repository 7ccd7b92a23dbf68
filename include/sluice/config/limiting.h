// How much may be used: rate limits, budgets, requests in flight, what it costs, and where it is
// kept together.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/base/ids.h>

namespace sluice::config {

// Whose use is counted together.
enum class LimitScope : uint8_t {
  kGateway,  // All of this gateway, or of all gateways with the same Redis namespace.
  kIp,       // A client's address; of IPv6 its first 64 bits. Acts before the key is looked at.
  kKey,
  kTenant,  // Requests of its keys and of those of the tenants below it.
  kModel,
  kKeyModel,  // One key's use of one model.
  kUpstream,  // A deployment: what has no room left is passed over like one that is full.
};

enum class LimitMeasure : uint8_t {
  kRequests,
  kTokens,  // Input and output together.
  kInputTokens,
  kOutputTokens,
  kMicroDollars,
  kConcurrency,  // Requests in flight.
};

// When what was used may be used again.
enum class LimitWindow : uint8_t {
  kNone,     // With kConcurrency: at once when the request has ended.
  kRolling,  // `length` later: at most `most` in every interval of that length.
  kDay,      // At the next midnight UTC, the next Monday, the first of the next month, or never.
  kWeek,
  kMonth,
  kTotal,
};

// What of an answer is set aside before its length is known, by limits of tokens and money.
enum class Reserve : uint8_t {
  kMax,   // What the client allows, else the model's max_output_tokens.
  kP95,   // What 95 of 100 recent answers of the model stayed below, if that is less.
  kNone,  // Nothing but the prompt; what the answer takes is owed afterwards.
};

// What holds while Redis is lost.
enum class OnLoss : uint8_t {
  kShare,  // The part of one gateway: most / RedisSettings::gateways.
  kLocal,  // Each gateway on its own has the whole limit.
  kDeny,   // Nothing beyond what was granted before.
};

struct LimitRule {
  // As configured, or made of its place: "keys/app/requests_per_minute". Unique. Names the rule in
  // logs, metrics, errors and in Redis.
  std::string name;
  LimitScope scope = LimitScope::kKey;
  LimitMeasure measure = LimitMeasure::kRequests;
  uint64_t most = 0;  // At least 1, at most kMostMax.
  LimitWindow window = LimitWindow::kRolling;
  Duration length{};    // Of a rolling window: 1 s, 1 min or 24 h.
  uint32_t burst = 0;   // Not 0: evenly spaced (GCRA), and so many at once; only of requests.
  bool enforce = true;  // Otherwise it only counts what it would have refused.
  bool is_soft =
      false;  // A soft budget: never refuses, warns once per window. Has enforce = false.
  Reserve reserve = Reserve::kMax;
  OnLoss on_loss = OnLoss::kShare;  // kDeny when not configured and of money.
  bool stops_streams = false;       // A stream is ended when what it uses is beyond the limit.

  static constexpr uint64_t kMostMax = uint64_t{1} << 40;
  bool operator==(const LimitRule&) const = default;
};

// A limit on one key's use of one model.
struct ModelLimit {
  ModelId model;  // Invalid: each model, with a count of its own.
  LimitId limit;
  bool operator==(const ModelLimit&) const = default;
};

// Rules that one request can match, of all scopes together: the loader refuses more.
inline constexpr uint32_t kMatchingLimitsMost = 32;
// Tenants above one another.
inline constexpr uint32_t kTenantDepthMost = 4;

// An organisation, a team, a user: whatever owns keys.
struct Tenant {
  std::string name;
  TenantId parent;  // Invalid at the top.
  std::vector<LimitId> limits;
};

enum class RedisKind : uint8_t { kStandalone, kSentinel, kCluster };

struct RedisAddress {
  std::string host;  // A name or a numeric address; an absolute path is a UNIX socket.
  uint16_t port = 6379;
  bool operator==(const RedisAddress&) const = default;
};

struct RedisSettings {
  RedisKind kind = RedisKind::kStandalone;
  std::vector<RedisAddress>
      addresses;                  // Of the server, of Sentinels, of some nodes of the cluster.
  std::string master;             // The name that Sentinels know it by.
  uint32_t database = 0;          // Standalone and Sentinel.
  std::string username;           // "" is `default`.
  std::string password;           // A secret; "" is none.
  std::string sentinel_password;  // A secret.
  bool tls = false;
  std::string tls_ca;            // File; "" is the system's.
  std::string tls_server_name;   // "" is the host.
  std::string space = "sluice";  // `namespace`: the front of every key.
  Duration wait_max = milliseconds(50);
  Duration tick = milliseconds(20);  // Between two reconciliations.
  // How many gateways share the namespace at most; what `on_loss: share` divides by.
  uint32_t gateways = 1;
  bool operator==(const RedisSettings&) const = default;
};

struct JournalSettings {
  std::string directory;               // Of its segments.
  Duration flush = milliseconds(50);   // From settling to the file, at most.
  Duration sync = seconds(1);          // From the file to the disk, at most.
  uint64_t segment_bytes = 64u << 20;  // Then a new one is begun.
  bool operator==(const JournalSettings&) const = default;
};

// Dollars per million tokens.
struct Price {
  double input_per_million = 0;
  double output_per_million = 0;
  // Of input that came from the provider's cache, and of output that was thought and not shown; as
  // the rest of the input or output when absent.
  std::optional<double> cached_per_million;
  std::optional<double> reasoning_per_million;
};

// Where the client's address is taken from.
struct AddressRange {
  std::array<uint8_t, 16> prefix{};  // IPv4 as ::ffff:a.b.c.d.
  uint8_t bits = 128;
  bool operator==(const AddressRange&) const = default;
};

}  // namespace sluice::config
