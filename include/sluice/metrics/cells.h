// All metric cells by who writes them: a shard, a shard for one model or upstream, the control
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sluice/base/error.h>
#include <sluice/base/ids.h>
#include <sluice/metrics/counter.h>
#include <sluice/metrics/histogram.h>
#include <sluice/metrics/labels.h>

namespace sluice::metrics {

// One counter per value of a closed set.
template <class Value, size_t kCount>
class CounterSet {
 public:
  [[nodiscard]] Counter& operator[](Value value) noexcept {
    return cells_[static_cast<size_t>(value)];
  }
  [[nodiscard]] const Counter& at(size_t index) const noexcept { return cells_[index]; }

 private:
  std::array<Counter, kCount> cells_;
};

inline constexpr size_t kErrorCodeCount = static_cast<size_t>(ErrorCode::kConfig) + 1;

// Blocks start on a line pair of their own, so that two shards never write to one line.
// What a shard counts whatever the model; written by that shard alone.
struct alignas(128) ShardCells {
  Gauge requests_in_flight;
  ShortHistogram overhead;
  CounterSet<UsageSource, kUsageSourceNames.size()> usage;
  Counter usage_partial;
  CounterSet<ErrorCode, kErrorCodeCount> errors;
  Counter auth_failures;
  CounterSet<Phase, kPhaseNames.size()> client_disconnects;
  ShortHistogram client_gone_to_upstream_closed;
  Gauge connections_open;
  Counter connections_accepted;
  CounterSet<RefusedConnection, kRefusedConnectionNames.size()> connections_refused;
  CounterSet<SlowClient, kSlowClientNames.size()> slow_clients;
  CounterSet<AcceptPause, kAcceptPauseNames.size()> accept_pauses;
  Gauge http2_connections_open;
  Counter http2_streams;
  CounterSet<Http2End, kHttp2EndNames.size()> http2_ends;
  CounterSet<TlsOutcome, kTlsOutcomeNames.size()> tls_handshakes;
  Counter upstream_retries;
  CounterSet<PeerSide, kPeerSideNames.size()> bytes_received;
  CounterSet<PeerSide, kPeerSideNames.size()> bytes_sent;
  Gauge buffers_in_use;
  Counter buffers_starved;
  Counter loop_turns;
  Counter cq_overflows;
  Counter access_log_dropped;
  Counter log_dropped;
  Counter journal_lost;  // Spend records that found their ring full.
  CounterSet<KeyAnswer, kKeyAnswerNames.size()> key_answers;
  Counter key_lookups_refused;  // Too many for one client address, or in all.
  ShortHistogram key_wait;      // Of requests whose key a source was asked about.
  CounterSet<LimitMode, kLimitModeNames.size()> key_limit_refused;  // Of keys that are not the
                                                                    // configuration's.
  std::array<CounterSet<HookOutcome, kHookOutcomeNames.size()>, kHookNames.size()> hook_runs;
  ShortHistogram hook_time;
};

// What one shard counts for one model.
struct alignas(128) ModelCells {
  void count_request(Endpoint endpoint, uint16_t status) noexcept {
    requests[static_cast<size_t>(endpoint)][code_index(status)].add();
  }
  // `ratio` is usage::estimate_error() of what was set aside for a prompt.
  void record_prompt_error(double ratio) noexcept {
    constexpr double kMost = 1000;
    const double told = ratio < kMost ? ratio : kMost;
    prompt_estimate_error.record(Duration(static_cast<int64_t>(told * 1e9)));
  }

  std::array<std::array<Counter, kCodeNames.size()>, kEndpointNames.size()> requests;
  RequestHistogram request_duration;
  FirstTokenHistogram time_to_first_token;
  CounterSet<TokenType, kTokenTypeNames.size()> tokens;
  CounterSet<RetryKind, kRetryKindNames.size()> retries;
  CounterSet<RetryKind, kRetryKindNames.size()> retries_refused;  // The budget was spent.
  CounterSet<HedgeOutcome, kHedgeOutcomeNames.size()> hedges;
  Counter hedge_wasted_tokens;
  Gauge queue_length;
  RequestHistogram queue_wait;
  CounterSet<QueueOutcome, kQueueOutcomeNames.size()> queue_outcomes;
  RatioHistogram prompt_estimate_error;
};

// What one shard counts for one upstream.
struct alignas(128) UpstreamCells {
  CounterSet<AttemptOutcome, kAttemptOutcomeNames.size()> attempts;
  Gauge in_flight;
  Gauge connections_open;
  Gauge connections_idle;
  Counter connections_opened;
  Counter reuse_races;
  Counter idle_closed;
  ShortHistogram connect;
  CounterSet<TlsOutcome, kTlsOutcomeNames.size()> tls_handshakes;
  // For the control thread, which merges them over the shards. Times are of the monotonic clock in
  // nanoseconds; a stamp is written after what it stamps.
  Gauge first_token_ns;
  Gauge whole_ns;
  Counter tokens;
  Gauge breaker_state;  // resilience::BreakerState.
  Gauge breaker_until_ns;
  Gauge breaker_successes;
  Gauge breaker_changed_ns;
  Gauge cooldown_until_ns;
  Gauge cooldown_changed_ns;
  Counter breaker_opened;
  Counter cooldowns;
  Counter probes;  // Requests let through a half-open breaker.
};

// What one shard counts for one limit.
struct alignas(128) LimitCells {
  CounterSet<LimitMode, kLimitModeNames.size()> refused;
};

// What the control thread counts for one upstream.
struct alignas(128) UpstreamWatchCells {
  CounterSet<HealthOutcome, kHealthOutcomeNames.size()> health_checks;
  Gauge is_down;  // 0 or 1, by these checks.
  Counter ejections;
};

// What the control thread counts for one group of found servers.
struct alignas(128) GroupCells {
  Gauge members;
  Counter failures;
};

// What the control thread counts.
struct alignas(128) ControlCells {
  Gauge config_generation;
  CounterSet<ReloadResult, kReloadResultNames.size()> config_reloads;
  Gauge config_last_reload_success_s;  // Unix time.
  Gauge draining;                      // 0 or 1.
  ShortHistogram tick_late;
  Gauge redis_up;  // 0 or 1: limits are counted there.
  Counter redis_commands;
  Counter ledger_asks;
  ShortHistogram ledger_wait;
  Gauge limit_undershoot_ppm;
  Gauge limit_subjects;
  Counter limit_terms_differ;
  Counter access_log_dropped;  // Lines that were drained from a shard but never written.
  Counter log_dropped;
  Counter series_dropped;
  CounterSet<JournalRecord, kJournalRecordNames.size()> journal_records;
  Counter journal_lost;  // That the disk had no room for in time.
  Counter journal_errors;
  Gauge journal_lag_us;
  std::array<CounterSet<KeyLookupOutcome, kKeyLookupOutcomeNames.size()>,
             kKeySourceKindNames.size()>
      key_lookups;
  ShortHistogram key_lookup_time;
  Gauge directory_keys;
  Gauge directory_bytes;
  Counter directory_changes;
  ShortHistogram directory_change_time;  // From the change to the last shard's acknowledgement.
  CounterSet<UsageFate, kUsageFateNames.size()> usage_records;
  Gauge usage_log_bytes;
  Gauge usage_backlog;  // Records that a reporter has not had yet; of the one furthest behind.
  CounterSet<AdminResult, kAdminResultNames.size()> admin_requests;
};

// The cells of one snapshot on one shard: how an id of the snapshot finds its cells. Handed over
// together with the snapshot; the cells outlive every snapshot.
struct SnapshotCells {
  std::vector<ModelCells*> models;        // By ModelId; never null.
  std::vector<UpstreamCells*> upstreams;  // By UpstreamId; never null.
  std::vector<LimitCells*> limits;        // By LimitId; never null.
  ModelCells* other = nullptr;            // Requests whose model is unknown, or not known yet.

  [[nodiscard]] ModelCells& model(ModelId id) const noexcept {
    return id.value < models.size() ? *models[id.value] : *other;
  }
  // `id` must belong to the snapshot.
  [[nodiscard]] UpstreamCells& upstream(UpstreamId id) const noexcept {
    return *upstreams[id.value];
  }
  [[nodiscard]] LimitCells& limit(LimitId id) const noexcept { return *limits[id.value]; }
};

}  // namespace sluice::metrics
