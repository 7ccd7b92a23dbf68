#include "family.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace sluice::metrics {
namespace {

// One scenario per family: the smallest thing that must change its samples.
struct Scenario {
  Registry registry{1};
  SnapshotCells cells;
  ScrapeSample sample;

  Scenario() {
    const std::string_view models[] = {"m"};
    const std::string_view upstreams[] = {"u"};
    const std::string_view limits[] = {"l"};
    cells = registry.bind(models, upstreams, limits)[0];
  }
  ShardCells& shard() { return registry.shard(ShardId{0}); }
  ModelCells& model() { return cells.model(ModelId{0}); }
  UpstreamCells& upstream() { return cells.upstream(UpstreamId{0}); }
  UpstreamWatchCells& watch() { return registry.upstream_watch("u"); }
  ControlCells& control() { return registry.control(); }
  GroupCells& group = registry.group("fleet");
};

using Move = std::function<void(Scenario&)>;

using Moves = std::map<std::string, Move>;

Moves request_moves() {
  return {
      {"sluice_requests_total", [](auto& s) { s.model().count_request(Endpoint::kModels, 200); }},
      {"sluice_requests_in_flight", [](auto& s) { s.shard().requests_in_flight.add(); }},
      {"sluice_request_duration_seconds",
       [](auto& s) { s.model().request_duration.record(seconds(1)); }},
      {"sluice_time_to_first_token_seconds",
       [](auto& s) { s.model().time_to_first_token.record(seconds(1)); }},
      {"sluice_overhead_seconds", [](auto& s) { s.shard().overhead.record(microseconds(9)); }},
      {"sluice_tokens_total", [](auto& s) { s.model().tokens[TokenType::kReasoning].add(7); }},
      {"sluice_usage_total", [](auto& s) { s.shard().usage[UsageSource::kUnknown].add(); }},
      {"sluice_usage_partial_total", [](auto& s) { s.shard().usage_partial.add(); }},
      {"sluice_errors_total", [](auto& s) { s.shard().errors[ErrorCode::kConfig].add(); }},
      {"sluice_auth_failures_total", [](auto& s) { s.shard().auth_failures.add(); }},
      {"sluice_client_disconnects_total",
       [](auto& s) { s.shard().client_disconnects[Phase::kRelay].add(); }},
      {"sluice_client_gone_to_upstream_closed_seconds",
       [](auto& s) { s.shard().client_gone_to_upstream_closed.record(microseconds(9)); }},
      {"sluice_connections_open", [](auto& s) { s.shard().connections_open.add(); }},
      {"sluice_connections_accepted_total", [](auto& s) { s.shard().connections_accepted.add(); }},
      {"sluice_connections_refused_total",
       [](auto& s) { s.shard().connections_refused[RefusedConnection::kAddress].add(); }},
      {"sluice_slow_clients_total",
       [](auto& s) { s.shard().slow_clients[SlowClient::kBodyRate].add(); }},
      {"sluice_accept_pauses_total",
       [](auto& s) { s.shard().accept_pauses[AcceptPause::kMemory].add(); }},
      {"sluice_http2_connections_open", [](auto& s) { s.shard().http2_connections_open.add(); }},
      {"sluice_http2_streams_total", [](auto& s) { s.shard().http2_streams.add(); }},
      {"sluice_http2_connections_ended_total",
       [](auto& s) { s.shard().http2_ends[Http2End::kResets].add(); }},
      {"sluice_tls_handshakes_total",
       [](auto& s) { s.shard().tls_handshakes[TlsOutcome::kResumed].add(); }},
  };
}

Moves model_moves() {
  return {
      {"sluice_retries_total", [](auto& s) { s.model().retries[RetryKind::kFallback].add(); }},
      {"sluice_retries_refused_total",
       [](auto& s) { s.model().retries_refused[RetryKind::kRetry].add(); }},
      {"sluice_hedges_total", [](auto& s) { s.model().hedges[HedgeOutcome::kWon].add(); }},
      {"sluice_hedge_wasted_tokens_total", [](auto& s) { s.model().hedge_wasted_tokens.add(9); }},
      {"sluice_queue_length", [](auto& s) { s.model().queue_length.add(); }},
      {"sluice_queue_requests_total",
       [](auto& s) { s.model().queue_outcomes[QueueOutcome::kFull].add(); }},
      {"sluice_prompt_estimate_error_ratio", [](auto& s) { s.model().record_prompt_error(0.12); }},
      {"sluice_queue_wait_seconds", [](auto& s) { s.model().queue_wait.record(milliseconds(20)); }},
  };
}

Moves limit_moves() {
  return {
      {"sluice_limit_refused_total",
       [](auto& s) { s.cells.limit(LimitId{0}).refused[LimitMode::kDry].add(); }},
      {"sluice_journal_records_total",
       [](auto& s) { s.control().journal_records[JournalRecord::kSettled].add(); }},
      {"sluice_journal_records_lost_total", [](auto& s) { s.shard().journal_lost.add(); }},
      {"sluice_journal_errors_total", [](auto& s) { s.control().journal_errors.add(); }},
      {"sluice_journal_lag_seconds", [](auto& s) { s.control().journal_lag_us.set(1500); }},
      {"sluice_redis_up", [](auto& s) { s.control().redis_up.set(1); }},
      {"sluice_redis_commands_total", [](auto& s) { s.control().redis_commands.add(); }},
      {"sluice_limit_ledger_asks_total", [](auto& s) { s.control().ledger_asks.add(2); }},
      {"sluice_limit_ledger_wait_seconds",
       [](auto& s) { s.control().ledger_wait.record(microseconds(300)); }},
      {"sluice_limit_undershoot_ratio",
       [](auto& s) { s.control().limit_undershoot_ppm.set(20'000); }},
      {"sluice_limit_terms_differ_total", [](auto& s) { s.control().limit_terms_differ.add(); }},
      {"sluice_limit_subjects", [](auto& s) { s.control().limit_subjects.set(3); }},
  };
}

Moves key_moves() {
  return {
      {"sluice_key_answers_total", [](auto& s) { s.shard().key_answers[KeyAnswer::kStale].add(); }},
      {"sluice_key_wait_seconds", [](auto& s) { s.shard().key_wait.record(milliseconds(2)); }},
      {"sluice_key_lookups_total",
       [](auto& s) { s.control().key_lookups[2][KeyLookupOutcome::kFailed].add(); }},
      {"sluice_key_lookup_seconds",
       [](auto& s) { s.control().key_lookup_time.record(milliseconds(2)); }},
      {"sluice_key_lookups_refused_total", [](auto& s) { s.shard().key_lookups_refused.add(); }},
      {"sluice_key_limit_refused_total",
       [](auto& s) { s.shard().key_limit_refused[LimitMode::kDry].add(); }},
      {"sluice_directory_keys", [](auto& s) { s.control().directory_keys.set(3); }},
      {"sluice_directory_bytes", [](auto& s) { s.control().directory_bytes.set(3000); }},
      {"sluice_directory_changes_total", [](auto& s) { s.control().directory_changes.add(); }},
      {"sluice_directory_change_seconds",
       [](auto& s) { s.control().directory_change_time.record(milliseconds(2)); }},
      {"sluice_hook_runs_total",
       [](auto& s) { s.shard().hook_runs[1][HookOutcome::kTooLong].add(); }},
      {"sluice_hook_seconds", [](auto& s) { s.shard().hook_time.record(microseconds(9)); }},
      {"sluice_usage_records_total",
       [](auto& s) { s.control().usage_records[UsageFate::kReportFailed].add(); }},
      {"sluice_usage_log_bytes", [](auto& s) { s.control().usage_log_bytes.set(4096); }},
      {"sluice_usage_backlog_records", [](auto& s) { s.control().usage_backlog.set(7); }},
      {"sluice_admin_requests_total",
       [](auto& s) { s.control().admin_requests[AdminResult::kRefused].add(); }},
  };
}

Moves other_moves() {
  return {
      {"sluice_upstream_attempts_total",
       [](auto& s) { s.upstream().attempts[AttemptOutcome::kCancelled].add(); }},
      {"sluice_upstream_retries_total", [](auto& s) { s.shard().upstream_retries.add(); }},
      {"sluice_upstream_in_flight", [](auto& s) { s.upstream().in_flight.add(); }},
      {"sluice_upstream_connections_open", [](auto& s) { s.upstream().connections_open.add(); }},
      {"sluice_upstream_connections_idle", [](auto& s) { s.upstream().connections_idle.add(); }},
      {"sluice_upstream_connections_opened_total",
       [](auto& s) { s.upstream().connections_opened.add(); }},
      {"sluice_upstream_reuse_races_total", [](auto& s) { s.upstream().reuse_races.add(); }},
      {"sluice_upstream_idle_closed_total", [](auto& s) { s.upstream().idle_closed.add(); }},
      {"sluice_upstream_connect_seconds",
       [](auto& s) { s.upstream().connect.record(microseconds(9)); }},
      {"sluice_upstream_tls_handshakes_total",
       [](auto& s) { s.upstream().tls_handshakes[TlsOutcome::kFailed].add(); }},
      {"sluice_breaker_state", [](auto& s) { s.upstream().breaker_state.set(2); }},
      {"sluice_breaker_opened_total", [](auto& s) { s.upstream().breaker_opened.add(); }},
      {"sluice_cooldowns_total", [](auto& s) { s.upstream().cooldowns.add(); }},
      {"sluice_health_checks_total",
       [](auto& s) { s.watch().health_checks[HealthOutcome::kTimeout].add(); }},
      {"sluice_upstream_up", [](auto& s) { s.watch().is_down.set(1); }},
      {"sluice_ejections_total", [](auto& s) { s.watch().ejections.add(); }},
      {"sluice_discovery_members", [](auto& s) { s.group.members.set(3); }},
      {"sluice_discovery_failures_total", [](auto& s) { s.group.failures.add(); }},
      {"sluice_probes_total", [](auto& s) { s.upstream().probes.add(); }},
      {"sluice_bytes_received_total",
       [](auto& s) { s.shard().bytes_received[PeerSide::kUpstream].add(3); }},
      {"sluice_bytes_sent_total",
       [](auto& s) { s.shard().bytes_sent[PeerSide::kDownstream].add(3); }},
      {"sluice_byte_budget_used_bytes", [](auto& s) { s.sample.byte_budget_used = 1; }},
      {"sluice_byte_budget_ceiling_bytes", [](auto& s) { s.sample.byte_budget_ceiling = 1; }},
      {"sluice_buffers_in_use", [](auto& s) { s.shard().buffers_in_use.set(4); }},
      {"sluice_buffers_starved_total", [](auto& s) { s.shard().buffers_starved.add(); }},
      {"sluice_loop_turns_total", [](auto& s) { s.shard().loop_turns.add(); }},
      {"sluice_cq_overflow_total", [](auto& s) { s.shard().cq_overflows.add(); }},
      {"sluice_access_log_dropped_total", [](auto& s) { s.control().access_log_dropped.add(); }},
      {"sluice_log_dropped_total", [](auto& s) { s.shard().log_dropped.add(); }},
      {"sluice_metrics_series_dropped_total", [](auto& s) { s.control().series_dropped.add(); }},
      {"sluice_config_generation", [](auto& s) { s.control().config_generation.set(2); }},
      {"sluice_config_reloads_total",
       [](auto& s) { s.control().config_reloads[ReloadResult::kFailure].add(); }},
      {"sluice_config_last_reload_success_timestamp_seconds",
       [](auto& s) { s.control().config_last_reload_success_s.set(1'700'000'000); }},
      {"sluice_tls_certificate_expires_days",
       [](auto& s) {
         static constexpr CertificateSample kOne[] = {{"a.pem", 3}};
         s.sample.certificates = kOne;
       }},
      {"sluice_draining", [](auto& s) { s.control().draining.set(1); }},
      {"sluice_control_tick_late_seconds",
       [](auto& s) { s.control().tick_late.record(milliseconds(3)); }},
      {"sluice_build_info", [](auto& s) { s.sample.version = "1.2.3"; }},
      {"process_resident_memory_bytes", [](auto& s) { s.sample.process.resident_bytes = 1; }},
      {"process_cpu_seconds_total", [](auto& s) { s.sample.process.cpu_seconds = 0.5; }},
      {"process_open_fds", [](auto& s) { s.sample.process.open_fds = 9; }},
      {"process_start_time_seconds", [](auto& s) { s.sample.process.start_time_seconds = 1.5; }},
  };
}

const Moves& moves() {
  static const Moves all = [] {
    Moves both = request_moves();
    both.merge(model_moves());
    both.merge(limit_moves());
    both.merge(key_moves());
    both.merge(other_moves());
    return both;
  }();
  return all;
}

std::string print(const Family& family, const Scenario& scenario) {
  std::string text;
  Samples samples(text, family.name, family.labels);
  family.print(scenario.registry, scenario.sample, samples);
  return text;
}

// Goal: no family is deaf to its own cell, and none moves for the cell of another.
TEST(Family, d073_each_family_moves_when_its_cell_does_and_only_then) {
  for (const auto& [name, move] : moves()) {
    const Scenario before;
    Scenario after;
    move(after);
    for (const Family& family : families()) {
      const bool has_moved = print(family, before) != print(family, after);
      EXPECT_EQ(has_moved, family.name == name) << family.name << " when moving " << name;
    }
  }
}

TEST(Family, d073_every_family_has_a_scenario) {
  std::set<std::string> names;
  for (const Family& family : families()) {
    EXPECT_TRUE(names.emplace(family.name).second) << family.name << " appears twice";
    EXPECT_EQ(moves().count(std::string(family.name)), 1u) << family.name;
    const bool ends_in_total = family.name.ends_with("_total");
    EXPECT_EQ(ends_in_total, family.type == "counter") << family.name;
  }
  EXPECT_EQ(names.size(), moves().size());
}

TEST(Family, d067_no_label_carries_who_called) {
  const std::set<std::string_view> allowed = {"model",  "upstream", "code",  "endpoint", "reason",
                                              "type",   "source",   "phase", "outcome",  "side",
                                              "result", "version",  "file",  "kind",     "group",
                                              "limit",  "mode",     "from",  "hook",     "fate"};
  for (const Family& family : families()) {
    std::string_view rest = family.labels;
    while (!rest.empty()) {
      const std::string_view label = rest.substr(0, rest.find(','));
      EXPECT_EQ(allowed.count(label), 1u) << family.name << " has label " << label;
      rest.remove_prefix(std::min(rest.size(), label.size() + 1));
    }
  }
}

// The cells of one row of a Markdown table, without their outer spaces.
std::vector<std::string> split_row(const std::string& line) {
  std::vector<std::string> cells;
  size_t begin = 1;
  for (size_t end = line.find('|', begin); end != std::string::npos;
       begin = end + 1, end = line.find('|', begin)) {
    std::string cell = line.substr(begin, end - begin);
    cell.erase(0, cell.find_first_not_of(' '));
    cell.erase(cell.find_last_not_of(' ') + 1);
    cells.push_back(cell);
  }
  return cells;
}

// "`model`, `type` (input, output)" -> "model,type": what stands in backticks.
std::string label_names(const std::string& cell) {
  std::string names;
  for (size_t open = cell.find('`'); open != std::string::npos;) {
    const size_t close = cell.find('`', open + 1);
    const std::string word = cell.substr(open + 1, close - open - 1);
    if (word.find('/') == std::string::npos) names += (names.empty() ? "" : ",") + word;
    open = cell.find('`', close + 1);
  }
  return names;
}

TEST(Family, the_documented_table_agrees) {
  std::ifstream page(SLUICE_METRICS_PAGE);
  ASSERT_TRUE(page.is_open()) << SLUICE_METRICS_PAGE;
  std::map<std::string, std::vector<std::string>> rows;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells = split_row(line);
    ASSERT_EQ(cells.size(), 5u) << line;
    const std::string name = label_names(cells[0]);
    EXPECT_TRUE(rows.emplace(name, cells).second) << name << " is documented twice";
  }
  for (const Family& family : families()) {
    const auto row = rows.find(std::string(family.name));
    if (row == rows.end()) {
      ADD_FAILURE() << family.name << " is missing";
      continue;
    }
    EXPECT_EQ(row->second[1], family.type) << family.name;
    EXPECT_EQ(label_names(row->second[2]), family.labels) << family.name;
    EXPECT_FALSE(row->second[3].empty() || row->second[4].empty()) << family.name;
    rows.erase(row);
  }
  for (const auto& [name, cells] : rows) ADD_FAILURE() << name << " is documented, not exported";
}

}  // namespace
}  // namespace sluice::metrics
