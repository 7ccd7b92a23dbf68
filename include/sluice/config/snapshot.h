// The validated, immutable configuration that the data path reads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/base/clock.h>
#include <sluice/base/ids.h>
#include <sluice/config/auth.h>
#include <sluice/config/edge.h>
#include <sluice/config/limiting.h>
#include <sluice/config/process.h>
#include <sluice/config/routing.h>
#include <sluice/config/tls.h>

namespace sluice::config {

// A numeric address and port to listen on; host names are refused.
struct ListenAddress {
  std::string host;   // Without brackets, e.g. "127.0.0.1" or "::1".
  uint16_t port = 0;  // 0 lets the kernel choose (tests); the chosen port is logged.
  bool operator==(const ListenAddress&) const = default;
  [[nodiscard]] bool is_loopback() const noexcept;
};

// An upstream's URL, taken apart and checked. Whether it is https says Upstream::tls.
struct Endpoint {
  std::string host;  // Name or numeric address, without brackets.
  uint16_t port = 80;
  std::string authority;     // What goes into the Host header, e.g. "host:8443".
  std::string base_path;     // "" or "/prefix", without a trailing slash; docs/config.md "Paths".
  std::string query;         // Without '?'; merged before the client's own query.
  bool has_version = false;  // `base_path` ends in a version, which replaces the client's "/v1".
  // Non-empty when the URL named a full endpoint (".../chat/completions"): used as it is.
  std::string full_path;
};

enum class StreamUsage : uint8_t {
  kInject,  // Add stream_options.include_usage; hide the event from clients that did not ask.
  kPass,    // Leave stream_options alone.
};

// Each clock of an attempt or request; zero is none.
struct UpstreamTimeouts {
  Duration connect = seconds(3);
  Duration response = seconds(600);  // Request written to response head.
  Duration first_token{0};           // Request written to the first event with content.
  Duration idle = seconds(120);      // Between bytes of a response body.
  // The whole request with all attempts and waits; a stream's only until its first content.
  Duration total = seconds(600);
  bool operator==(const UpstreamTimeouts&) const = default;
};

struct PoolLimits {
  uint32_t idle_max = 256;  // Idle connections kept per shard.
  Duration idle_timeout = seconds(55);
  Duration age_max = seconds(600);
  uint32_t connections_max = 4096;  // Open connections per shard; above it attempts fail over.
  bool operator==(const PoolLimits&) const = default;
};

struct Header {
  std::string name;  // Lower case.
  std::string value;
  HeaderOp op = HeaderOp::kReplace;
};

// One concrete inference server or provider endpoint: a deployment.
struct Upstream {
  std::string name;
  Endpoint endpoint;
  // The field that carries the secret, as it is sent ("authorization: Bearer ...", "api-key: ...");
  // an empty name when none is needed.
  Header credential;
  std::vector<Header> headers;
  uint32_t weight = 1;  // Multiplied with the route's weight.
  UpstreamTimeouts timeouts;
  PoolLimits pool;
  std::optional<UpstreamTls> tls;  // Set exactly when the URL is https.
  StreamUsage stream_usage = StreamUsage::kInject;
  bool private_addresses = false;  // Loopback and private addresses may be dialled (D56).
  std::optional<ProxySettings> proxy;
  uint32_t concurrency_max = 0;  // Requests in flight there, of the whole process; 0 is no limit.
  BreakerSettings breaker;
  CooldownSettings cooldown;
  std::optional<HealthCheck> health;
  Duration slow_start{0};         // From a return to the full share; 0 is at once.
  std::vector<std::string> tags;  // Sorted.
  Capabilities serves;
  std::string group;  // Of a discovered one: the item of the file that it belongs to.
  std::vector<LimitId> limits;
};

// One way to serve a model.
struct Route {
  UpstreamId upstream;
  // The name sent upstream; equal to the public one when not configured. A `*` in it stands for
  // what the model's own `*` matched.
  std::string model;
  uint32_t weight = 1;
  uint32_t priority = 0;  // The smallest number that has a candidate is used.
  std::optional<Price> price;
  UpstreamTimeouts timeouts;  // The route's own, else the model's, else the upstream's.
};

struct Model {
  std::string name;  // May hold one `*`.
  // Empty only while discovery has found none of its servers.
  std::vector<Route> routes;
  StrategyKind strategy = StrategyKind::kPowerOfTwo;
  Affinity affinity;
  RetrySettings retries;
  // Models that answer when all routes have failed, in order, with those that they fall back to;
  // none is named twice.
  std::vector<ModelId> fallbacks;
  uint32_t concurrency_max = 0;  // Requests in flight, of the whole process; 0 is no limit.
  QueueSettings queue;
  std::optional<HedgeSettings> hedge;
  RecoverySettings recovery;
  Duration ping{0};  // A comment to the client after so long without an event; 0 is never.
  uint32_t max_output_tokens = 4096;  // Reserved for an answer whose client names no maximum.
  std::vector<LimitId> limits;
};

// A model whose name has a `*`: what must stand before and behind it.
struct Wildcard {
  std::string prefix;
  std::string suffix;
  ModelId model;
};

struct Key {
  std::string name;
  // SHA-256 of the secret, which itself is not kept. Zeros when there is none: then only
  // Snapshot::keys_by_subject leads here.
  std::array<uint8_t, 32> digest{};
  // Subject of the client certificate that stands for the key, as RFC 2253 text; "" for none.
  std::string certificate_subject;
  std::vector<ModelId> models;  // Sorted. Meaningful only when !all_models.
  bool all_models = true;
  std::optional<WallTime> expires;
  TenantId tenant;  // Always valid; keys without one share the tenant "default".
  uint32_t weight = 1;
  uint32_t priority_max = 0;
  uint32_t concurrency_max = 0;  // Requests in flight, of the whole process; 0 is no limit.
  std::vector<LimitId> limits;
  std::vector<ModelLimit> model_limits;  // Sorted by model, those of each model last.
  [[nodiscard]] bool allows(ModelId model) const noexcept;
};

struct Snapshot {
  uint64_t generation = 0;  // Set by the publisher; 1 for the first.
  std::string source_path;  // The file it came from.
  bool development = false;
  bool usage_accounting = true;  // `usage: off` switches the tap and the injection off.
  uint32_t shards = 0;           // 0 is auto.
  ListenAddress listen;
  uint32_t listen_backlog = 4096;
  std::optional<ListenerTls> tls;  // Of `listen`.
  Http2Settings http2;             // Of `listen`, with TLS.
  CorsSettings cors;
  bool sandbox = true;       // After the start the process gives up what it does not need.
  std::string admin_socket;  // "" switches the admin socket off.
  AdminSettings admin;       // More of it.
  std::optional<ListenAddress> metrics;
  LogSettings log;
  AccessLogSettings access_log;
  Limits limits;
  ClientTimeouts timeouts;
  Duration drain_timeout = seconds(30);
  // What x-sluice-timeout-* of a client may ask for; what the configuration says when that is more.
  Duration timeout_header_max{0};
  std::optional<OutlierSettings> outliers;
  std::vector<Discovery> discovery;
  std::vector<std::string> forward_headers;  // Lower-case client header names that go upstream.
  std::vector<Upstream> upstreams;           // Indexed by UpstreamId.
  std::vector<Model> models;                 // Indexed by ModelId, in file order.
  std::vector<Key> keys;                     // Indexed by KeyId.
  std::vector<Tenant> tenants;               // Indexed by TenantId; [0] is "default".
  std::vector<LimitRule> limit_rules;        // Indexed by LimitId.
  std::vector<LimitId> gateway_limits;
  std::vector<LimitId> ip_limits;
  // Rules without `only`: those that the file does not name have them, too.
  std::vector<LimitId> every_key_limits;
  std::vector<LimitId> every_tenant_limits;
  std::vector<ModelLimit> every_key_model_limits;  // With `only` too, of its models; sorted.
  std::optional<RedisSettings> redis;
  std::optional<JournalSettings> journal;
  AuthSettings auth;
  std::optional<StoreSettings> store;
  std::optional<UsageLogSettings> usage_log;
  ScriptSettings scripts;
  // Whose word on where a request came from is believed (Forwarded, X-Forwarded-For).
  std::vector<AddressRange> trusted_proxies;
  bool proxy_protocol = false;  // The listener expects the PROXY protocol, version 2.
  // With aliases. Names with a `*` stand in `wildcards` instead, the longest first.
  absl::flat_hash_map<std::string, ModelId> models_by_name;
  std::vector<Wildcard> wildcards;
  absl::flat_hash_map<std::array<uint8_t, 32>, KeyId> keys_by_digest;
  absl::flat_hash_map<std::string, KeyId> keys_by_subject;

  // Invalid when no such model is configured. A name that stands there goes before a wildcard.
  [[nodiscard]] ModelId find_model(std::string_view name) const noexcept;
  [[nodiscard]] const Upstream& upstream(UpstreamId id) const noexcept {
    return upstreams[id.value];
  }
  [[nodiscard]] const Model& model(ModelId id) const noexcept { return models[id.value]; }
  [[nodiscard]] const Key& key(KeyId id) const noexcept { return keys[id.value]; }
};

// The keys, as written in the file, whose change from `running` to `candidate` a reload cannot
// carry out. Empty when nothing of `candidate` has to wait for a restart.
[[nodiscard]] std::vector<std::string> needs_restart(const Snapshot& running,
                                                     const Snapshot& candidate);

}  // namespace sluice::config
