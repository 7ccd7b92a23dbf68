#include <array>

#include <sluice/json/writer.h>

#include "command.h"

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

void write_upstream(json::Writer& writer, const config::Upstream& upstream, const Sums& sums) {
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
      .integer(sums.idle)
      .key("attempts")
      .begin_object();
  for (size_t i = 0; i < sums.attempts.size(); ++i) {
    writer.key(metrics::kAttemptOutcomeNames[i]).unsigned_integer(sums.attempts[i]);
  }
  writer.end_object().end_object();
}

}  // namespace

Task<control::SmallAnswer> show_upstreams(const AdminParts& parts) {
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("upstreams").begin_array();
  for (const config::Upstream& upstream : parts.operations.snapshot().upstreams) {
    write_upstream(writer, upstream, sum_cells(parts.registry, upstream.name));
  }
  writer.end_array().end_object();
  co_return answer;
}

}  // namespace sluice::admin
