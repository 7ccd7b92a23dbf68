#include "schema.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <re2/re2.h>

#include "address.h"
#include "bounds.h"
#include "fields.h"
#include "header_rules.h"
#include "prices.h"
#include "schema_admin.h"
#include "schema_chain.h"
#include "schema_cors.h"
#include "schema_redis.h"
#include "schema_routing.h"
#include "schema_scripts.h"
#include "schema_usage_log.h"

namespace sluice::config {
namespace {

constexpr size_t kForwardHeadersMax = 64;
constexpr size_t kTrustedProxiesMax = 256;
constexpr uint64_t kSubjectsMax = 1u << 24;

constexpr std::array<std::string_view, 5> kDefaultForwardHeaders = {
    "idempotency-key", "traceparent", "tracestate", "baggage", "openai-beta"};

void read_listen(Walk& walk, const Node& node, Snapshot& snapshot) {
  const auto text = walk.text(node);
  if (!text) return;
  auto address = parse_listen_address(*text);
  if (!address) return walk.error(node, address.error());
  snapshot.listen = std::move(*address);
}

void read_shards(Walk& walk, const Node& node, Snapshot& snapshot) {
  if (node.kind == NodeKind::kScalar && node.text == "auto") {
    snapshot.shards = 0;
  } else if (const auto number = walk.number(node, 1, 256)) {
    snapshot.shards = static_cast<uint32_t>(*number);
  }
}

void read_metrics_listen(Walk& walk, const Node& node, Snapshot& snapshot) {
  const auto text = walk.text(node);
  if (!text) return;
  auto address = parse_listen_address(*text);
  if (!address) return walk.error(node, address.error());
  snapshot.metrics = std::move(*address);
}

void read_level(Walk& walk, const Node& node, LogSettings& log) {
  static constexpr std::array<std::string_view, 5> kWords = {"debug", "info", "warn", "error",
                                                             "off"};
  const auto index = walk.choice(node, kWords);
  if (index) (void)parse_log_level(kWords[*index], &log.level);
}

void read_format(Walk& walk, const Node& node, LogSettings& log) {
  static constexpr std::array<std::string_view, 2> kWords = {"json", "text"};
  const auto index = walk.choice(node, kWords);
  if (index) log.format = *index == 0 ? LogFormat::kJson : LogFormat::kText;
}

constexpr size_t kRedactionsMax = 64;
constexpr size_t kRedactionBytesMax = 1024;
constexpr int64_t kRedactionMemoryMax = 256 << 10;  // Of one pattern's program and automata.

void read_redact(Walk& walk, const Node& node, LogSettings& log) {
  read_list(walk, node, kRedactionsMax, [&](const Node& item, size_t) {
    auto text = walk.text(item);
    if (!text) return;
    if (text->empty() || text->size() > kRedactionBytesMax) {
      return walk.error(item, "must have 1 to 1024 bytes", "give a shorter RE2 pattern");
    }
    RE2::Options options(RE2::Latin1);
    options.set_log_errors(false);
    options.set_max_mem(kRedactionMemoryMax);
    const RE2 regex(*text, options);
    if (!regex.ok()) {
      return walk.error(item, "is not a pattern of RE2: " + regex.error(),
                        "see github.com/google/re2/wiki/Syntax; quote it in YAML with '...'");
    }
    if (RE2::FullMatch("", regex)) {
      return walk.error(item, "matches the empty text", "let it match at least one character");
    }
    log.redact.push_back(std::move(*text));
  });
}

// An empty list is allowed here: it means that no header goes upstream.
void read_forward_headers(Walk& walk, const Node& node, Snapshot& snapshot) {
  if (!walk.is_sequence(node)) return;
  snapshot.forward_headers.clear();
  if (node.children.empty()) return;
  read_list(walk, node, kForwardHeadersMax, [&](const Node& item, size_t) {
    const auto text = walk.text(item);
    if (!text) return;
    std::string name = header_name(*text);
    if (name.empty()) return walk.error(item, "is not a header's name", "write one as it is sent");
    if (const auto fault = refuse_forward_header(name)) return walk.error(item, *fault);
    if (std::ranges::find(snapshot.forward_headers, name) != snapshot.forward_headers.end()) {
      return walk.error(item, fmt::format("repeats `{}`", name), "name each header once");
    }
    snapshot.forward_headers.push_back(std::move(name));
  });
}

void read_usage(Walk& walk, const Node& node, Snapshot& snapshot) {
  const auto is_on = walk.boolean(node);
  if (!is_on) return;
  snapshot.usage_accounting = *is_on;
  walk.counts_tokens = *is_on;
}

void read_trusted_proxies(Walk& walk, const Node& node, Snapshot& snapshot) {
  std::vector<AddressRange>& ranges = snapshot.trusted_proxies;
  read_list(walk, node, kTrustedProxiesMax, [&](const Node& item, size_t) {
    const auto text = walk.text(item);
    if (!text) return;
    const auto range = parse_address_range(*text);
    if (!range) return walk.error(item, range.error());
    if (std::ranges::find(ranges, *range) != ranges.end()) {
      return walk.error(item, "repeats a range", "name each one once");
    }
    if (text->ends_with("/0")) {
      walk.warn(item, "is everybody: every client can say that it is another one",
                "name the addresses of your own proxies");
    }
    ranges.push_back(*range);
  });
}

void read_bank_file(Walk& walk, const Node& node, Limits& limits) {
  if (is_off(node)) {
    limits.bank_file.clear();
  } else if (auto path = walk.full_path(node, kPathBytesMax)) {
    limits.bank_file = std::move(*path);
  }
}

void read_directory(Walk& walk, const Node& node, JournalSettings& journal) {
  if (auto path = walk.full_path(node, kPathBytesMax)) journal.directory = std::move(*path);
}

constexpr std::array kJournalFields = {
    Field<JournalSettings>{"directory", read_directory, Presence::kRequired},
    Field<JournalSettings>{"flush", read_duration<&JournalSettings::flush, 10, 10 * kSecond>},
    Field<JournalSettings>{"sync", read_duration<&JournalSettings::sync, 10, 60 * kSecond>},
    Field<JournalSettings>{"segment_bytes",
                           read_bytes<&JournalSettings::segment_bytes, kMiB, kGiB>}};

void read_journal(Walk& walk, const Node& node, Snapshot& snapshot) {
  JournalSettings& journal = snapshot.journal.emplace();
  read_mapping(walk, node, kJournalFields, journal);
  if (journal.sync >= journal.flush) return;
  walk.error(node, "has a `sync` that is shorter than its `flush`", "raise sync, or lower flush");
}

constexpr std::array kMetricsFields = {
    Field<Snapshot>{"listen", read_metrics_listen, Presence::kRequired}};

constexpr std::array kLogFields = {
    Field<LogSettings>{"level", read_level}, Field<LogSettings>{"format", read_format},
    Field<LogSettings>{"file", read_path<&LogSettings::file, kPathBytesMax>},
    Field<LogSettings>{"redact", read_redact}};

constexpr std::array kAccessLogFields = {
    Field<AccessLogSettings>{"enabled", read_boolean<&AccessLogSettings::enabled>},
    Field<AccessLogSettings>{"file", read_path<&AccessLogSettings::file, kPathBytesMax>}};

constexpr std::array kLimitFields = {
    Field<Limits>{"head_bytes_max", read_bytes<&Limits::head_bytes_max, kKiB, 16 * kKiB - 64>},
    Field<Limits>{"header_count_max", read_number<&Limits::header_count_max, 8, 1000>},
    Field<Limits>{"body_bytes_max", read_bytes<&Limits::body_bytes_max, kKiB, 4 * kGiB>},
    Field<Limits>{"byte_budget", read_bytes<&Limits::byte_budget, kMiB, 1024 * kGiB>},
    Field<Limits>{"held_bytes_max", read_bytes<&Limits::held_bytes_max, 4 * kKiB, 16 * kMiB>},
    Field<Limits>{"json_depth_max", read_number<&Limits::json_depth_max, 8, 1024>},
    Field<Limits>{"connections_max", read_number<&Limits::connections_max, 1, 1'000'000>},
    Field<Limits>{"connections_per_address",
                  read_number<&Limits::connections_per_address, 0, 1'000'000>},
    Field<Limits>{"body_rate_min", read_bytes<&Limits::body_rate_min, 0, kGiB>},
    Field<Limits>{"attempts", read_number<&Limits::attempts, 1, 16>},
    Field<Limits>{"concurrency_max", read_number<&Limits::concurrency_max, 0, 1'000'000>},
    Field<Limits>{"subjects_max", read_number<&Limits::subjects_max, 1024, kSubjectsMax>},
    Field<Limits>{"bank_file", read_bank_file}};

constexpr std::array kHttp2Fields = {
    Field<Http2Settings>{"enabled", read_boolean<&Http2Settings::enabled>},
    Field<Http2Settings>{"streams_max", read_number<&Http2Settings::streams_max, 1, 1000>},
    Field<Http2Settings>{"resets_per_second",
                         read_number<&Http2Settings::resets_per_second, 1, 100'000>},
    Field<Http2Settings>{"control_frames_per_second",
                         read_number<&Http2Settings::control_frames_per_second, 10, 1'000'000>}};

constexpr std::array kTimeoutFields = {
    Field<ClientTimeouts>{"first_byte",
                          read_duration<&ClientTimeouts::first_byte, kTimeoutMin, kHour>},
    Field<ClientTimeouts>{"head", read_duration<&ClientTimeouts::head, kTimeoutMin, kHour>},
    Field<ClientTimeouts>{"body", read_duration<&ClientTimeouts::body, kTimeoutMin, 24 * kHour>},
    Field<ClientTimeouts>{"keep_alive",
                          read_duration<&ClientTimeouts::keep_alive, kTimeoutMin, 24 * kHour>},
    Field<ClientTimeouts>{"stall", read_duration<&ClientTimeouts::stall, kTimeoutMin, 24 * kHour>}};

void read_access_log(Walk& walk, const Node& node, Snapshot& snapshot) {
  if (node.kind == NodeKind::kScalar) {
    if (node.text == "off") {
      snapshot.access_log.enabled = false;
    } else {
      walk.error(node, "must be `off` or a mapping", "write `enabled:` and `file:` below it");
    }
    return;
  }
  read_mapping(walk, node, kAccessLogFields, snapshot.access_log);
}

void read_default_retries(Walk& walk, const Node& node, Snapshot&) {
  read_retries(walk, node, walk.retries);
}

void read_top_outliers(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_outliers(walk, node, snapshot.outliers);
}

void read_top_scripts(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_scripts(walk, node, snapshot.scripts);
}

// A section whose values are the snapshot's own.
template <const auto& Table>
constexpr auto read_own = [](Walk& walk, const Node& node, Snapshot& snapshot) {
  read_mapping(walk, node, Table, snapshot);
};

// What is named or built upon comes first: upstreams, retries and prices before models, these and
// tenants before keys, the store before who is asked about keys, and all of them before the limits
// that hold for many.
constexpr std::array kTopFields = {
    Field<Snapshot>{"listen", read_listen, Presence::kRequired},
    Field<Snapshot>{"listen_backlog", read_number<&Snapshot::listen_backlog, 1, 65'535>},
    Field<Snapshot>{"tls", read_listener_tls, Presence::kOptional, list_listener_tls_keys},
    Field<Snapshot>{"http2", read_section<&Snapshot::http2, kHttp2Fields>, Presence::kOptional,
                    list_section<kHttp2Fields>},
    Field<Snapshot>{"development", read_boolean<&Snapshot::development>},
    Field<Snapshot>{"shards", read_shards},
    Field<Snapshot>{"sandbox", read_boolean<&Snapshot::sandbox>},
    Field<Snapshot>{"usage", read_usage},
    Field<Snapshot>{"metrics", read_own<kMetricsFields>, Presence::kOptional,
                    list_section<kMetricsFields>},
    Field<Snapshot>{"log", read_section<&Snapshot::log, kLogFields>, Presence::kOptional,
                    list_section<kLogFields>},
    Field<Snapshot>{"access_log", read_access_log, Presence::kOptional,
                    list_section<kAccessLogFields>},
    Field<Snapshot>{"limits", read_section<&Snapshot::limits, kLimitFields>, Presence::kOptional,
                    list_section<kLimitFields>},
    Field<Snapshot>{"timeouts", read_section<&Snapshot::timeouts, kTimeoutFields>,
                    Presence::kOptional, list_section<kTimeoutFields>},
    Field<Snapshot>{"drain_timeout", read_duration<&Snapshot::drain_timeout, 0, kHour>},
    Field<Snapshot>{"timeout_header_max",
                    read_switched_duration<&Snapshot::timeout_header_max, kTimeoutMin, 24 * kHour>},
    Field<Snapshot>{"forward_headers", read_forward_headers},
    Field<Snapshot>{"trusted_proxies", read_trusted_proxies},
    Field<Snapshot>{"proxy_protocol", read_boolean<&Snapshot::proxy_protocol>},
    Field<Snapshot>{"redis", read_redis, Presence::kOptional, list_redis_keys},
    Field<Snapshot>{"journal", read_journal, Presence::kOptional, list_section<kJournalFields>},
    Field<Snapshot>{"prices", read_prices},
    Field<Snapshot>{"retries", read_default_retries, Presence::kOptional, list_retry_keys},
    Field<Snapshot>{"outliers", read_top_outliers, Presence::kOptional, list_outlier_keys},
    Field<Snapshot>{"upstreams", read_upstreams, Presence::kRequired, list_upstream_keys},
    Field<Snapshot>{"models", read_models, Presence::kRequired, list_model_keys},
    Field<Snapshot>{"tenants", read_tenants, Presence::kOptional, list_tenant_keys},
    Field<Snapshot>{"keys", read_keys, Presence::kOptional, list_key_keys},
    Field<Snapshot>{"store", read_store, Presence::kOptional, list_store_keys},
    Field<Snapshot>{"auth", read_chain, Presence::kOptional, list_chain_keys},
    Field<Snapshot>{"usage_log", read_usage_log, Presence::kOptional, list_usage_log_keys},
    Field<Snapshot>{"scripts", read_top_scripts, Presence::kOptional, list_script_keys},
    Field<Snapshot>{"admin", read_admin, Presence::kOptional, list_admin_keys},
    Field<Snapshot>{"cors", read_cors, Presence::kOptional, list_cors_keys},
    Field<Snapshot>{"rate_limits", read_rate_limits, Presence::kOptional, list_rate_limit_keys},
};

}  // namespace

void read_schema(Walk& walk, const Node& root, Snapshot& snapshot) {
  snapshot.forward_headers.assign(kDefaultForwardHeaders.begin(), kDefaultForwardHeaders.end());
  snapshot.tenants = {Tenant{.name = "default"}};
  (void)walk.tenant_names.add("default", {0, 0});
  read_mapping(walk, root, kTopFields, snapshot);
  if (find_key(root, "auth") == nullptr) set_default_chain(snapshot);
}

std::vector<std::string> schema_keys() {
  std::vector<std::string> names;
  list_keys(kTopFields, "", names);
  return names;
}

}  // namespace sluice::config
