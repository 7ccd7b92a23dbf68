#include <array>
#include <chrono>

#include <sluice/json/writer.h>

#include "rows.h"

namespace sluice::admin {
namespace {

struct Sums {
  int64_t in_flight = 0;
  int64_t open = 0;
  int64_t idle = 0;
  std::array<uint64_t, metrics::kAttemptOutcomeNames.size()> attempts{};
};

Sums sum_cells(const metrics::Registry& registry, std::string_view name) {
  Sums sums;
  for (const auto& upstream : registry.upstreams().all()) {
    if (upstream->name != name) continue;
    for (const auto& cells : upstream->by_shard) {
      sums.in_flight += cells->in_flight.value();
      sums.open += cells->connections_open.value();
      sums.idle += cells->connections_idle.value();
      for (size_t i = 0; i < sums.attempts.size(); ++i) {
        sums.attempts[i] += cells->attempts.at(i).value();
      }
    }
  }
  return sums;
}

using resilience::BreakerState;

// Whether requests go one at a time until one succeeds.
bool is_probing(const control::UpstreamState& state) noexcept {
  const control::DeploymentView& view = state.deployment;
  if (view.breaker.state != BreakerState::kClosed) return view.breaker.open_until <= state.now;
  return view.cooldown.until != MonoTime::min() && view.cooldown.until <= state.now;
}

// The first that holds of what keeps requests away.
std::string_view name_state(const control::UpstreamState& state) noexcept {
  const control::DeploymentView& view = state.deployment;
  if (view.orders.is_drained) return "drained";
  if (view.orders.is_down) return "down";
  if (view.orders.ejected_until > state.now) return "ejected";
  if (view.cooldown.until > state.now) return "cooling";
  if (is_probing(state)) return "half_open";
  return view.breaker.state == BreakerState::kClosed ? "up" : "breaker_open";
}

std::string_view name_breaker(const control::UpstreamState& state) noexcept {
  const resilience::BreakerChange& breaker = state.deployment.breaker;
  if (breaker.state == BreakerState::kClosed) return "closed";
  return breaker.open_until <= state.now ? "half_open" : "open";
}

double round_ms(Duration duration) noexcept {
  return static_cast<double>(duration / microseconds(100)) / 10;
}

// Seconds that are left; null when it is over.
void write_left(json::Writer& writer, MonoTime until, MonoTime now) {
  if (until <= now) {
    writer.null();
  } else {
    writer.number(static_cast<double>((until - now) / milliseconds(100)) / 10);
  }
}

void write_means(json::Writer& writer, const control::DeploymentView& view) {
  const auto write_mean = [&writer](std::string_view key, Duration mean) {
    writer.key(key);
    if (mean == Duration::zero()) {
      writer.null();
    } else {
      writer.number(round_ms(mean));
    }
  };
  write_mean("first_token_ms", view.first_token);
  write_mean("whole_ms", view.whole);
  writer.key("error_ratio");
  if (view.recent_attempts == 0) {
    writer.null();
  } else {
    writer.number(static_cast<double>(1000 * view.recent_failures / view.recent_attempts) / 1000);
  }
}

void write_health(json::Writer& writer, const config::Upstream& upstream,
                  const control::UpstreamState& state) {
  const control::DeploymentView& view = state.deployment;
  writer.key("state").string(name_state(state)).key("breaker").string(name_breaker(state));
  writer.key("breaker_s");
  write_left(writer, name_breaker(state) == "open" ? view.breaker.open_until : MonoTime::min(),
             state.now);
  writer.key("cooldown_s");
  write_left(writer, view.cooldown.until, state.now);
  writer.key("ejected_s");
  write_left(writer, view.orders.ejected_until, state.now);
  write_means(writer, view);
  writer.key("minute_tokens").unsigned_integer(view.minute_tokens);
  writer.key("concurrency_max");
  if (upstream.concurrency_max == 0) {
    writer.null();
  } else {
    writer.unsigned_integer(upstream.concurrency_max);
  }
  writer.key("places_in_use");
  if (upstream.concurrency_max == 0) {
    writer.null();
  } else {
    writer.unsigned_integer(state.places_in_use);
  }
  writer.key("tags").begin_array();
  for (const std::string& tag : upstream.tags) writer.string(tag);
  writer.end_array();
}

void write_upstream(json::Writer& writer, const config::Upstream& upstream, const Sums& sums,
                    const control::UpstreamState& state) {
  const bool injects = upstream.stream_usage == config::StreamUsage::kInject;
  writer.begin_object()
      .key("name")
      .string(upstream.name)
      .key("authority")
      .string(upstream.endpoint.authority)
      .key("weight")
      .unsigned_integer(upstream.weight)
      .key("stream_usage")
      .string(injects ? "inject" : "pass")
      .key("in_flight")
      .integer(sums.in_flight)
      .key("connections_open")
      .integer(sums.open)
      .key("connections_idle")
      .integer(sums.idle);
  write_health(writer, upstream, state);
  writer.key("attempts").begin_object();
  for (size_t i = 0; i < sums.attempts.size(); ++i) {
    writer.key(metrics::kAttemptOutcomeNames[i]).unsigned_integer(sums.attempts[i]);
  }
  writer.end_object().end_object();
}

Task<control::SmallAnswer> show_upstreams(Call& call) {
  const AdminParts& parts = call.parts;
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("upstreams").begin_array();
  const std::vector<config::Upstream>& upstreams = parts.operations.snapshot().upstreams;
  for (uint32_t i = 0; i < upstreams.size(); ++i) {
    write_upstream(writer, upstreams[i], sum_cells(parts.registry, upstreams[i].name),
                   parts.operations.upstream_state(UpstreamId{i}));
  }
  writer.end_array().end_object();
  co_return answer;
}

constexpr std::array<Field, 20> kUpstream = {{
    {.name = "name", .is_needed = true},
    {.name = "authority", .is_needed = true},
    {.name = "weight", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "stream_usage", .is_needed = true},
    {.name = "in_flight", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "connections_open", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "connections_idle", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "state", .is_needed = true},
    {.name = "breaker", .is_needed = true},
    {.name = "breaker_s", .kind = FieldKind::kNumber},
    {.name = "cooldown_s", .kind = FieldKind::kNumber},
    {.name = "ejected_s", .kind = FieldKind::kNumber},
    {.name = "first_token_ms", .kind = FieldKind::kNumber},
    {.name = "whole_ms", .kind = FieldKind::kNumber},
    {.name = "error_ratio", .kind = FieldKind::kNumber},
    {.name = "minute_tokens", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "concurrency_max", .kind = FieldKind::kInteger},
    {.name = "places_in_use", .kind = FieldKind::kInteger},
    {.name = "tags", .kind = FieldKind::kTexts, .is_needed = true},
    {.name = "attempts", .kind = FieldKind::kObject, .is_needed = true},
}};
constexpr std::array<Field, 1> kUpstreams = {
    {{.name = "upstreams", .kind = FieldKind::kRecords, .is_needed = true, .fields = kUpstream}}};

constexpr std::array<Route, 1> kRows = {{{.path = "/v1/upstreams",
                                          .purpose = "What each upstream does, and whether it "
                                                     "gets requests.",
                                          .rights = Rights::kGateway,
                                          .run = show_upstreams,
                                          .answer = kUpstreams}}};

}  // namespace

std::span<const Route> upstream_rows() { return kRows; }

}  // namespace sluice::admin
