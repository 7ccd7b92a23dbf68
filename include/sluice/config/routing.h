// How requests of a model are spread over its deployments, and what happens when one fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/base/ids.h>

namespace sluice::config {

enum class StrategyKind : uint8_t {
  kPowerOfTwo,  // The better of two drawn at random, by peak latency and requests in flight.
  kRoundRobin,
  kWeighted,  // Smooth, in exact ratios.
  kRandom,    // By weight.
  kLeastBusy,
  kLowestLatency,
  kLowestCost,
  kLowestUsage,  // Of tokens in the present minute.
  kAffinity,     // The same session or prompt goes to the same deployment.
  kFailover,     // The first in the file that is usable.
};

// What makes requests belong together, for kAffinity: the header, then `prompt_cache_key`, then
// `user`, then the first bytes of the prompt; the first that the request has.
struct Affinity {
  std::string header = "x-session-id";  // In lower case.
  uint32_t prompt_bytes = 1024;
  double load_factor = 1.25;    // A deployment takes at most this times the mean load.
  bool client_address = false;  // Belongs together when nothing else tells; of IPv6 64 bits.
  bool operator==(const Affinity&) const = default;
};

struct RetrySettings {
  Duration backoff = milliseconds(25);  // Before the first retry; doubles, with full jitter.
  Duration backoff_max = seconds(2);
  double budget = 0.2;       // Retries, hedges and recoveries as a share of recent requests.
  uint32_t budget_min = 10;  // Allowed in 10 s whatever the share says; of the whole process.
  bool operator==(const RetrySettings&) const = default;
};

struct QueueSettings {
  uint32_t length_max = 1000;  // Requests of the whole process; 0 refuses at once.
  Duration wait_max = seconds(10);
  bool operator==(const QueueSettings&) const = default;
};

struct HedgeSettings {
  double quantile = 0.95;  // Of recent times to the first token.
  Duration after_min = milliseconds(50);
  double budget = 0.05;  // Second attempts as a share of recent requests.
  bool operator==(const HedgeSettings&) const = default;
};

// What becomes of a stream whose upstream breaks after its first event.
enum class RecoveryMode : uint8_t {
  kOff,     // The client sees it as broken.
  kRetry,   // Asked again; what was delivered is skipped.
  kAppend,  // Asked to go on behind the partial answer.
};
struct RecoverySettings {
  RecoveryMode mode = RecoveryMode::kOff;
  uint32_t bytes_max = 1u << 20;  // Of delivered text that is kept; beyond it nothing is recovered.
  bool operator==(const RecoverySettings&) const = default;
};

// Opens on either condition; lets `probes` requests through at a time once `open_for` is over.
struct BreakerSettings {
  bool enabled = true;
  double failure_ratio = 0.5;
  uint32_t requests_min = 20;  // Within the window, before the ratio counts.
  Duration window = seconds(30);
  uint32_t consecutive = 5;
  Duration open_for = seconds(10);
  uint32_t probes = 1;     // At a time, of the whole process.
  uint32_t successes = 2;  // In a row, until it closes.
  bool operator==(const BreakerSettings&) const = default;
};

// What makes an answer a failure of the deployment although its status alone would not, or what is
// to be done about it. The first rule that matches decides.
struct FailureRule {
  uint16_t status_min = 500;  // "503" is 503-503, "4xx" is 400-499.
  uint16_t status_max = 599;
  std::string body;      // A part of the error's body; empty matches any.
  bool retries = true;   // On another deployment.
  bool counts = true;    // Against the deployment.
  Duration cooldown{0};  // Rest for so long; 0 for none.
  bool operator==(const FailureRule&) const = default;
};

struct CooldownSettings {
  Duration after_429 = seconds(5);  // When the answer does not say how long.
  Duration max = seconds(300);      // Of what an answer may ask for.
  std::vector<FailureRule> rules;   // `failures:` of the file; at most kFailureRulesMax.
  bool operator==(const CooldownSettings&) const = default;
};
inline constexpr size_t kFailureRulesMax = 32;

struct HealthCheck {
  std::string path = "/health";
  std::string model;  // Not empty: a request of one token for this model takes the path's place.
  Duration interval = seconds(10);
  Duration timeout = seconds(2);
  uint32_t unhealthy_after = 3;
  uint32_t healthy_after = 2;
  bool operator==(const HealthCheck&) const = default;
};

// Rests a deployment that fails much more often than the others of its model.
struct OutlierSettings {
  Duration interval = seconds(10);
  uint32_t requests_min = 50;  // Of each deployment within an interval.
  double ratio_above = 0.2;    // Failures as a share, above the mean of the others.
  Duration eject_for = seconds(30);
  double share_max = 0.34;  // Of a model's deployments that may be ejected at a time.
  bool operator==(const OutlierSettings&) const = default;
};

struct ProxySettings {
  std::string host;
  uint16_t port = 3128;
  std::string authorization;  // Secret; the whole value of proxy-authorization, "" for none.
  bool allow_private = false;
  bool operator==(const ProxySettings&) const = default;
};

enum class HeaderOp : uint8_t {
  kReplace,  // Ours, whatever the client sent.
  kInsert,   // Ours, unless the client's was forwarded.
  kRemove,   // The client's is not forwarded to this upstream.
};

// What an upstream can serve; a bit for each endpoint.
struct Capabilities {
  bool chat = true;
  bool completions = true;
  bool embeddings = true;
  bool responses = true;
  bool operator==(const Capabilities&) const = default;
};

enum class DiscoveryKind : uint8_t { kFile, kDns, kSrv, kHttp };

// An item of `upstreams` that stands for several servers, which are found out while Sluice runs.
// Each becomes an Upstream of the name "<group>/<host>:<port>".
struct Discovery {
  std::string group;  // The item's name, by which routes mean all of its members.
  DiscoveryKind kind = DiscoveryKind::kFile;
  std::string target;  // A path, a host name, or a URL.
  uint16_t port = 0;   // With kDns.
  Duration interval = seconds(10);
  bool private_addresses = false;  // The item's; of kHttp's own server too.
  bool operator==(const Discovery&) const = default;
};

}  // namespace sluice::config
