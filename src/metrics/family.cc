#include "family.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <type_traits>

namespace sluice::metrics {
namespace {

// Adds up the cells of all shards. `Part` picks the wanted cell out of a block.
template <class Blocks, class Part>
uint64_t sum_counters(const Blocks& blocks, Part part) {
  uint64_t sum = 0;
  for (const auto& block : blocks) sum += part(*block).value();
  return sum;
}

// Shards add and subtract independently, and are read one after the other: what was added on one
// shard may be seen taken off by another first. Such a sum below zero is shown as zero.
template <class Blocks, class Part>
int64_t sum_gauges(const Blocks& blocks, Part part) {
  int64_t sum = 0;
  for (const auto& block : blocks) sum += part(*block).value();
  return sum < 0 ? 0 : sum;
}

template <class Blocks, class Part>
void print_histogram(const Blocks& blocks, Part part,
                     std::initializer_list<std::string_view> values, Samples& samples) {
  using Cell = std::remove_cvref_t<decltype(part(*blocks.front()))>;
  std::array<uint64_t, Cell::kBuckets> counts{};
  uint64_t sum_ns = 0;
  for (const auto& block : blocks) {
    const Cell& cell = part(*block);
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += cell.bucket(i);
    sum_ns += cell.sum_ns();
  }
  samples.add_histogram(values, Cell::bounds(), counts, sum_ns);
}

template <auto Member>
void print_shard_counter(const Registry& registry, const ScrapeSample&, Samples& samples) {
  samples.add(
      {}, sum_counters(registry.shards(), [](const ShardCells& c) -> auto& { return c.*Member; }));
}

// What both a shard and the control thread can count.
template <auto Member, auto ControlMember>
void print_dropped(const Registry& registry, const ScrapeSample&, Samples& samples) {
  const auto part = [](const ShardCells& c) -> auto& { return c.*Member; };
  samples.add({},
              sum_counters(registry.shards(), part) + (registry.control().*ControlMember).value());
}

template <auto Member>
void print_shard_gauge(const Registry& registry, const ScrapeSample&, Samples& samples) {
  samples.add(
      {}, sum_gauges(registry.shards(), [](const ShardCells& c) -> auto& { return c.*Member; }));
}

template <auto Member>
void print_shard_histogram(const Registry& registry, const ScrapeSample&, Samples& samples) {
  print_histogram(
      registry.shards(), [](const ShardCells& c) -> auto& { return c.*Member; }, {}, samples);
}

template <auto Member, const auto& kNames>
void print_shard_set(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    const auto part = [i](const ShardCells& c) -> auto& { return (c.*Member).at(i); };
    samples.add({kNames[i]}, sum_counters(registry.shards(), part));
  }
}

void print_errors(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (size_t i = 0; i < kErrorCodeCount; ++i) {
    const auto part = [i](const ShardCells& c) -> auto& { return c.errors.at(i); };
    samples.add({to_string(static_cast<ErrorCode>(i))}, sum_counters(registry.shards(), part));
  }
}

// Most combinations never occur, so only those that did are shown.
void print_requests(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& model : registry.models().all()) {
    for (size_t endpoint = 0; endpoint < kEndpointNames.size(); ++endpoint) {
      for (size_t code = 0; code < kCodeNames.size(); ++code) {
        const auto part = [endpoint, code](const ModelCells& c) -> auto& {
          return c.requests[endpoint][code];
        };
        const uint64_t count = sum_counters(model->by_shard, part);
        if (count == 0) continue;
        samples.add({kEndpointNames[endpoint], model->name, kCodeNames[code]}, count);
      }
    }
  }
}

template <auto Member>
void print_model_histogram(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& model : registry.models().all()) {
    print_histogram(
        model->by_shard, [](const ModelCells& c) -> auto& { return c.*Member; }, {model->name},
        samples);
  }
}

template <auto Member, const auto& kNames>
void print_model_set(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& model : registry.models().all()) {
    for (size_t i = 0; i < kNames.size(); ++i) {
      const auto part = [i](const ModelCells& c) -> auto& { return (c.*Member).at(i); };
      samples.add({model->name, kNames[i]}, sum_counters(model->by_shard, part));
    }
  }
}

template <auto Member>
void print_model_counter(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& model : registry.models().all()) {
    const auto part = [](const ModelCells& c) -> auto& { return c.*Member; };
    samples.add({model->name}, sum_counters(model->by_shard, part));
  }
}

template <auto Member>
void print_model_gauge(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& model : registry.models().all()) {
    const auto part = [](const ModelCells& c) -> auto& { return c.*Member; };
    samples.add({model->name}, sum_gauges(model->by_shard, part));
  }
}

// Shards learn of a change one after the other; the most troubled one is shown.
void print_breakers(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& upstream : registry.upstreams().all()) {
    if (!upstream->is_bound) continue;
    int64_t state = 0;
    for (const auto& cells : upstream->by_shard) {
      state = std::max(state, cells->breaker_state.value());
    }
    samples.add({upstream->name}, state);
  }
}

void print_upstreams_up(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& upstream : registry.upstream_watches().all()) {
    if (!upstream->is_bound) continue;
    samples.add({upstream->name}, 1 - upstream->by_shard.front()->is_down.value());
  }
}

void print_health_checks(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& upstream : registry.upstream_watches().all()) {
    if (!upstream->is_bound) continue;
    for (size_t i = 0; i < kHealthOutcomeNames.size(); ++i) {
      samples.add({upstream->name, kHealthOutcomeNames[i]},
                  upstream->by_shard.front()->health_checks.at(i).value());
    }
  }
}

// Only limits that have refused something: there may be one for each key.
void print_limits_refused(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& limit : registry.limits().all()) {
    for (size_t i = 0; i < kLimitModeNames.size(); ++i) {
      const uint64_t sum = sum_counters(
          limit->by_shard, [i](const LimitCells& c) -> auto& { return c.refused.at(i); });
      if (sum > 0) samples.add({limit->name, kLimitModeNames[i]}, sum);
    }
  }
}

template <auto Member>
void print_groups(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& group : registry.groups().all()) {
    if (!group->is_bound) continue;
    samples.add({group->name}, (*group->by_shard.front().*Member).value());
  }
}

void print_ejections(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& upstream : registry.upstream_watches().all()) {
    if (!upstream->is_bound) continue;
    samples.add({upstream->name}, upstream->by_shard.front()->ejections.value());
  }
}

template <auto Member, const auto& kNames>
void print_upstream_set(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& upstream : registry.upstreams().all()) {
    if (!upstream->is_bound) continue;
    for (size_t i = 0; i < kNames.size(); ++i) {
      const auto part = [i](const UpstreamCells& c) -> auto& { return (c.*Member).at(i); };
      samples.add({upstream->name, kNames[i]}, sum_counters(upstream->by_shard, part));
    }
  }
}

template <auto Member>
void print_upstream_counter(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& upstream : registry.upstreams().all()) {
    if (!upstream->is_bound) continue;
    const auto part = [](const UpstreamCells& c) -> auto& { return c.*Member; };
    samples.add({upstream->name}, sum_counters(upstream->by_shard, part));
  }
}

template <auto Member>
void print_upstream_gauge(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& upstream : registry.upstreams().all()) {
    if (!upstream->is_bound) continue;
    const auto part = [](const UpstreamCells& c) -> auto& { return c.*Member; };
    samples.add({upstream->name}, sum_gauges(upstream->by_shard, part));
  }
}

template <auto Member>
void print_upstream_histogram(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (const auto& upstream : registry.upstreams().all()) {
    if (!upstream->is_bound) continue;
    print_histogram(
        upstream->by_shard, [](const UpstreamCells& c) -> auto& { return c.*Member; },
        {upstream->name}, samples);
  }
}

template <auto Member>
void print_control(const Registry& registry, const ScrapeSample&, Samples& samples) {
  samples.add({}, (registry.control().*Member).value());
}

void print_journal_lag(const Registry& registry, const ScrapeSample&, Samples& samples) {
  samples.add({}, static_cast<double>(registry.control().journal_lag_us.value()) / 1e6);
}

void print_undershoot(const Registry& registry, const ScrapeSample&, Samples& samples) {
  samples.add({}, static_cast<double>(registry.control().limit_undershoot_ppm.value()) / 1e6);
}

template <auto Member, const auto& kNames>
void print_control_set(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    samples.add({kNames[i]}, (registry.control().*Member).at(i).value());
  }
}

template <auto Member>
void print_control_histogram(const Registry& registry, const ScrapeSample&, Samples& samples) {
  const std::array<const ControlCells*, 1> blocks = {&registry.control()};
  print_histogram(blocks, [](const ControlCells& c) -> auto& { return c.*Member; }, {}, samples);
}

void print_key_lookups(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (size_t source = 0; source < kKeySourceKindNames.size(); ++source) {
    for (size_t i = 0; i < kKeyLookupOutcomeNames.size(); ++i) {
      samples.add({kKeySourceKindNames[source], kKeyLookupOutcomeNames[i]},
                  registry.control().key_lookups[source].at(i).value());
    }
  }
}

void print_hook_runs(const Registry& registry, const ScrapeSample&, Samples& samples) {
  for (size_t hook = 0; hook < kHookNames.size(); ++hook) {
    for (size_t i = 0; i < kHookOutcomeNames.size(); ++i) {
      const auto part = [hook, i](const ShardCells& c) -> auto& { return c.hook_runs[hook].at(i); };
      samples.add({kHookNames[hook], kHookOutcomeNames[i]}, sum_counters(registry.shards(), part));
    }
  }
}

template <auto Member>
void print_sample(const Registry&, const ScrapeSample& sample, Samples& samples) {
  samples.add({}, sample.*Member);
}

template <auto Member>
void print_process(const Registry&, const ScrapeSample& sample, Samples& samples) {
  samples.add({}, sample.process.*Member);
}

void print_build(const Registry&, const ScrapeSample& sample, Samples& samples) {
  samples.add({sample.version}, uint64_t{1});
}

void print_certificates(const Registry&, const ScrapeSample& sample, Samples& samples) {
  for (const CertificateSample& one : sample.certificates) samples.add({one.file}, one.days_left);
}

constexpr Family kRequestFamilies[] = {
    {"sluice_requests_total", "counter", "endpoint,model,code", "Requests answered.",
     print_requests},
    {"sluice_requests_in_flight", "gauge", "", "Exchanges that have begun and not settled.",
     print_shard_gauge<&ShardCells::requests_in_flight>},
    {"sluice_request_duration_seconds", "histogram", "model",
     "First byte of the request to the end of the answer.",
     print_model_histogram<&ModelCells::request_duration>},
    {"sluice_time_to_first_token_seconds", "histogram", "model",
     "First byte of a streamed request to the first event of its answer.",
     print_model_histogram<&ModelCells::time_to_first_token>},
    {"sluice_overhead_seconds", "histogram", "", "Part of a request's duration spent in Sluice.",
     print_shard_histogram<&ShardCells::overhead>},
    {"sluice_tokens_total", "counter", "model,type", "Tokens used, where they are known.",
     print_model_set<&ModelCells::tokens, kTokenTypeNames>},
    {"sluice_prompt_estimate_error_ratio", "histogram", "model",
     "How far the estimate of a prompt was from its reported tokens, as a part of them.",
     print_model_histogram<&ModelCells::prompt_estimate_error>},
    {"sluice_usage_total", "counter", "source", "Exchanges by where their usage came from.",
     print_shard_set<&ShardCells::usage, kUsageSourceNames>},
    {"sluice_usage_partial_total", "counter", "", "Exchanges cut before their usage was complete.",
     print_shard_counter<&ShardCells::usage_partial>},
    {"sluice_errors_total", "counter", "reason", "Exchanges that ended in an error.", print_errors},
    {"sluice_auth_failures_total", "counter", "", "Requests refused for their key.",
     print_shard_counter<&ShardCells::auth_failures>},
    {"sluice_client_disconnects_total", "counter", "phase", "Clients that left, by phase.",
     print_shard_set<&ShardCells::client_disconnects, kPhaseNames>},
    {"sluice_client_gone_to_upstream_closed_seconds", "histogram", "",
     "Client seen gone to its upstream connection closed.",
     print_shard_histogram<&ShardCells::client_gone_to_upstream_closed>},
    {"sluice_connections_open", "gauge", "", "Client connections open.",
     print_shard_gauge<&ShardCells::connections_open>},
    {"sluice_connections_accepted_total", "counter", "", "Client connections accepted.",
     print_shard_counter<&ShardCells::connections_accepted>},
    {"sluice_connections_refused_total", "counter", "reason",
     "Client connections closed at once because a limit was reached.",
     print_shard_set<&ShardCells::connections_refused, kRefusedConnectionNames>},
    {"sluice_slow_clients_total", "counter", "reason",
     "Clients given up because they were too slow.",
     print_shard_set<&ShardCells::slow_clients, kSlowClientNames>},
    {"sluice_accept_pauses_total", "counter", "reason",
     "Times that a shard accepted nothing for a while.",
     print_shard_set<&ShardCells::accept_pauses, kAcceptPauseNames>},
    {"sluice_http2_connections_open", "gauge", "", "Client connections that speak HTTP/2.",
     print_shard_gauge<&ShardCells::http2_connections_open>},
    {"sluice_http2_streams_total", "counter", "", "HTTP/2 streams that clients began.",
     print_shard_counter<&ShardCells::http2_streams>},
    {"sluice_http2_connections_ended_total", "counter", "reason",
     "HTTP/2 connections by why they ended.",
     print_shard_set<&ShardCells::http2_ends, kHttp2EndNames>},
    {"sluice_tls_handshakes_total", "counter", "outcome", "TLS handshakes of clients.",
     print_shard_set<&ShardCells::tls_handshakes, kTlsOutcomeNames>},
};

constexpr Family kUpstreamFamilies[] = {
    {"sluice_upstream_attempts_total", "counter", "upstream,outcome", "Attempts by their end.",
     print_upstream_set<&UpstreamCells::attempts, kAttemptOutcomeNames>},
    {"sluice_upstream_retries_total", "counter", "", "Attempts after the first of an exchange.",
     print_shard_counter<&ShardCells::upstream_retries>},
    {"sluice_upstream_in_flight", "gauge", "upstream", "Attempts that run.",
     print_upstream_gauge<&UpstreamCells::in_flight>},
    {"sluice_upstream_connections_open", "gauge", "upstream", "Connections open, idle ones too.",
     print_upstream_gauge<&UpstreamCells::connections_open>},
    {"sluice_upstream_connections_idle", "gauge", "upstream", "Connections waiting in the pool.",
     print_upstream_gauge<&UpstreamCells::connections_idle>},
    {"sluice_upstream_connections_opened_total", "counter", "upstream", "Connections made.",
     print_upstream_counter<&UpstreamCells::connections_opened>},
    {"sluice_upstream_reuse_races_total", "counter", "upstream",
     "Reused connections that died before the first byte of an answer.",
     print_upstream_counter<&UpstreamCells::reuse_races>},
    {"sluice_upstream_idle_closed_total", "counter", "upstream",
     "Pooled connections closed while idle, by either side.",
     print_upstream_counter<&UpstreamCells::idle_closed>},
    {"sluice_upstream_connect_seconds", "histogram", "upstream", "Time to make a connection.",
     print_upstream_histogram<&UpstreamCells::connect>},
    {"sluice_upstream_tls_handshakes_total", "counter", "upstream,outcome",
     "TLS handshakes with upstreams.",
     print_upstream_set<&UpstreamCells::tls_handshakes, kTlsOutcomeNames>},
};

constexpr Family kResilienceFamilies[] = {
    {"sluice_retries_total", "counter", "model,kind", "Attempts made because another one failed.",
     print_model_set<&ModelCells::retries, kRetryKindNames>},
    {"sluice_retries_refused_total", "counter", "model,kind",
     "Attempts not made because the retry budget was spent.",
     print_model_set<&ModelCells::retries_refused, kRetryKindNames>},
    {"sluice_hedges_total", "counter", "model,outcome", "Second attempts beside a slow first one.",
     print_model_set<&ModelCells::hedges, kHedgeOutcomeNames>},
    {"sluice_hedge_wasted_tokens_total", "counter", "model",
     "Prompt tokens, by estimate, of attempts that were cut because the other one won.",
     print_model_counter<&ModelCells::hedge_wasted_tokens>},
    {"sluice_queue_length", "gauge", "model", "Requests in line for a place.",
     print_model_gauge<&ModelCells::queue_length>},
    {"sluice_queue_requests_total", "counter", "model,outcome", "How requests left the line.",
     print_model_set<&ModelCells::queue_outcomes, kQueueOutcomeNames>},
    {"sluice_queue_wait_seconds", "histogram", "model", "Time in line.",
     print_model_histogram<&ModelCells::queue_wait>},
    {"sluice_breaker_state", "gauge", "upstream", "0 closed, 1 open, 2 half open.", print_breakers},
    {"sluice_breaker_opened_total", "counter", "upstream", "Breakers that opened, by each shard.",
     print_upstream_counter<&UpstreamCells::breaker_opened>},
    {"sluice_cooldowns_total", "counter", "upstream", "Rests begun after an answer asked for one.",
     print_upstream_counter<&UpstreamCells::cooldowns>},
    {"sluice_probes_total", "counter", "upstream", "Requests let through a half-open breaker.",
     print_upstream_counter<&UpstreamCells::probes>},
    {"sluice_health_checks_total", "counter", "upstream,outcome", "Active checks by their end.",
     print_health_checks},
    {"sluice_upstream_up", "gauge", "upstream", "0 while active checks say that it is down.",
     print_upstreams_up},
    {"sluice_ejections_total", "counter", "upstream",
     "Rests begun because it failed more often than the others.", print_ejections},
    {"sluice_limit_refused_total", "counter", "limit,mode",
     "Requests that a limit refused, or would have refused without `enforce`.",
     print_limits_refused},
    {"sluice_discovery_members", "gauge", "group", "Servers that were found for an upstream.",
     print_groups<&GroupCells::members>},
    {"sluice_discovery_failures_total", "counter", "group",
     "Questions that the source of an upstream's servers did not answer well.",
     print_groups<&GroupCells::failures>},
};

constexpr Family kKeyFamilies[] = {
    {"sluice_key_answers_total", "counter", "from", "Where requests' keys were decided.",
     print_shard_set<&ShardCells::key_answers, kKeyAnswerNames>},
    {"sluice_key_wait_seconds", "histogram", "", "Time that requests waited for a key source.",
     print_shard_histogram<&ShardCells::key_wait>},
    {"sluice_key_lookups_total", "counter", "source,outcome", "Questions to key sources.",
     print_key_lookups},
    {"sluice_key_lookup_seconds", "histogram", "", "Time that key sources took to answer.",
     print_control_histogram<&ControlCells::key_lookup_time>},
    {"sluice_key_lookups_refused_total", "counter", "",
     "Requests refused because too many unknown keys came from their address, or in all.",
     print_shard_counter<&ShardCells::key_lookups_refused>},
    {"sluice_key_limit_refused_total", "counter", "mode",
     "Requests that a limit of the key store or of a key source refused, or would have refused.",
     print_shard_set<&ShardCells::key_limit_refused, kLimitModeNames>},
    {"sluice_directory_keys", "gauge", "", "Keys of the key store in memory.",
     print_control<&ControlCells::directory_keys>},
    {"sluice_directory_bytes", "gauge", "", "Memory that they take.",
     print_control<&ControlCells::directory_bytes>},
    {"sluice_directory_changes_total", "counter", "", "Changes of the key store put into force.",
     print_control<&ControlCells::directory_changes>},
    {"sluice_directory_change_seconds", "histogram", "",
     "A change in the file to its acknowledgement by the last shard.",
     print_control_histogram<&ControlCells::directory_change_time>},
    {"sluice_hook_runs_total", "counter", "hook,outcome", "Runs of scripts by their end.",
     print_hook_runs},
    {"sluice_hook_seconds", "histogram", "", "Time that runs of scripts took.",
     print_shard_histogram<&ShardCells::hook_time>},
    {"sluice_usage_records_total", "counter", "fate", "What became of records of use.",
     print_control_set<&ControlCells::usage_records, kUsageFateNames>},
    {"sluice_usage_log_bytes", "gauge", "", "Size of the usage log's file.",
     print_control<&ControlCells::usage_log_bytes>},
    {"sluice_usage_backlog_records", "gauge", "",
     "Records that the reporter furthest behind has not had yet.",
     print_control<&ControlCells::usage_backlog>},
    {"sluice_admin_requests_total", "counter", "result", "Admin requests by their end.",
     print_control_set<&ControlCells::admin_requests, kAdminResultNames>},
};

constexpr Family kProcessFamilies[] = {
    {"sluice_bytes_received_total", "counter", "side", "Bytes read from sockets.",
     print_shard_set<&ShardCells::bytes_received, kPeerSideNames>},
    {"sluice_bytes_sent_total", "counter", "side", "Bytes written to sockets.",
     print_shard_set<&ShardCells::bytes_sent, kPeerSideNames>},
    {"sluice_byte_budget_used_bytes", "gauge", "", "Bytes held for bodies and backlogs.",
     print_sample<&ScrapeSample::byte_budget_used>},
    {"sluice_byte_budget_ceiling_bytes", "gauge", "", "The most that may be held.",
     print_sample<&ScrapeSample::byte_budget_ceiling>},
    {"sluice_buffers_in_use", "gauge", "", "Receive buffers that hold bytes.",
     print_shard_gauge<&ShardCells::buffers_in_use>},
    {"sluice_buffers_starved_total", "counter", "", "Receives that found no buffer free.",
     print_shard_counter<&ShardCells::buffers_starved>},
    {"sluice_loop_turns_total", "counter", "", "Turns of the shards' loops.",
     print_shard_counter<&ShardCells::loop_turns>},
    {"sluice_cq_overflow_total", "counter", "", "Completions that did not fit their queue.",
     print_shard_counter<&ShardCells::cq_overflows>},
    {"sluice_access_log_dropped_total", "counter", "", "Access log lines lost.",
     print_dropped<&ShardCells::access_log_dropped, &ControlCells::access_log_dropped>},
    {"sluice_log_dropped_total", "counter", "", "Log lines lost.",
     print_dropped<&ShardCells::log_dropped, &ControlCells::log_dropped>},
    {"sluice_journal_records_total", "counter", "kind", "Spend records given to the journal.",
     print_control_set<&ControlCells::journal_records, kJournalRecordNames>},
    {"sluice_journal_records_lost_total", "counter", "",
     "Spend records that never reached the journal.",
     print_dropped<&ShardCells::journal_lost, &ControlCells::journal_lost>},
    {"sluice_journal_errors_total", "counter", "",
     "Writes and syncs of the journal that the disk refused; each is tried again.",
     print_control<&ControlCells::journal_errors>},
    {"sluice_journal_lag_seconds", "gauge", "",
     "Age of the oldest spend record that is not in the journal's file yet.", print_journal_lag},
    {"sluice_metrics_series_dropped_total", "counter", "",
     "Configured names that got no series of their own and count as other.",
     print_control<&ControlCells::series_dropped>},
    {"sluice_config_generation", "gauge", "", "Generation of the running configuration.",
     print_control<&ControlCells::config_generation>},
    {"sluice_config_reloads_total", "counter", "result", "Reloads by their result.",
     print_control_set<&ControlCells::config_reloads, kReloadResultNames>},
    {"sluice_config_last_reload_success_timestamp_seconds", "gauge", "",
     "Unix time at which the running configuration was loaded.",
     print_control<&ControlCells::config_last_reload_success_s>},
    {"sluice_tls_certificate_expires_days", "gauge", "file",
     "Whole days until a certificate in use expires; negative once it has.", print_certificates},
    {"sluice_draining", "gauge", "", "1 while the process is going away.",
     print_control<&ControlCells::draining>},
    {"sluice_redis_up", "gauge", "", "1 while limits are counted together in Redis.",
     print_control<&ControlCells::redis_up>},
    {"sluice_redis_commands_total", "counter", "", "Commands sent to Redis.",
     print_control<&ControlCells::redis_commands>},
    {"sluice_limit_ledger_asks_total", "counter", "",
     "Subjects that Redis was asked about, many in one command.",
     print_control<&ControlCells::ledger_asks>},
    {"sluice_limit_ledger_wait_seconds", "histogram", "", "From a question to Redis' answer.",
     print_control_histogram<&ControlCells::ledger_wait>},
    {"sluice_limit_subjects", "gauge", "",
     "Keys, tenants, addresses ... that limits count for at present.",
     print_control<&ControlCells::limit_subjects>},
    {"sluice_limit_undershoot_ratio", "gauge", "",
     "The part of a limit that was unused when a request was refused.", print_undershoot},
    {"sluice_limit_terms_differ_total", "counter", "",
     "Answers by which another gateway has a lower limit.",
     print_control<&ControlCells::limit_terms_differ>},
    {"sluice_control_tick_late_seconds", "histogram", "",
     "How much later than planned a tick of the control thread ran.",
     print_control_histogram<&ControlCells::tick_late>},
    {"sluice_build_info", "gauge", "version", "Always 1; the version is the label.", print_build},
    {"process_resident_memory_bytes", "gauge", "", "Resident memory.",
     print_process<&ProcessSample::resident_bytes>},
    {"process_cpu_seconds_total", "counter", "", "User and system time used.",
     print_process<&ProcessSample::cpu_seconds>},
    {"process_open_fds", "gauge", "", "File descriptors open.",
     print_process<&ProcessSample::open_fds>},
    {"process_start_time_seconds", "gauge", "", "Unix time at which the process started.",
     print_process<&ProcessSample::start_time_seconds>},
};

constexpr size_t kFamilyCount = std::size(kRequestFamilies) + std::size(kUpstreamFamilies) +
                                std::size(kResilienceFamilies) + std::size(kKeyFamilies) +
                                std::size(kProcessFamilies);

constexpr std::array<Family, kFamilyCount> join_families() noexcept {
  std::array<Family, kFamilyCount> all{};
  size_t next = 0;
  for (const Family& family : kRequestFamilies) all[next++] = family;
  for (const Family& family : kUpstreamFamilies) all[next++] = family;
  for (const Family& family : kResilienceFamilies) all[next++] = family;
  for (const Family& family : kKeyFamilies) all[next++] = family;
  for (const Family& family : kProcessFamilies) all[next++] = family;
  return all;
}

constexpr std::array<Family, kFamilyCount> kFamilies = join_families();

}  // namespace

std::span<const Family> families() noexcept { return kFamilies; }

}  // namespace sluice::metrics
