#include <array>
#include <chrono>

#include <sluice/json/writer.h>

#include "fields.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr size_t kTenantsMost = 100;

constexpr std::array<Field, 5> kShard = {{
    {.name = "shard", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "cpu_seconds", .kind = FieldKind::kNumber, .is_needed = true},
    {.name = "connections", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "in_flight", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "bytes_sent", .kind = FieldKind::kInteger, .is_needed = true},
}};
constexpr std::array<Field, 2> kBucket = {{
    {.name = "le_s",
     .kind = FieldKind::kNumber,
     .purpose = "Its upper bound in seconds; null for the last one."},
    {.name = "count", .kind = FieldKind::kInteger, .purpose = "In it alone.", .is_needed = true},
}};
constexpr std::array<Field, 7> kModel = {{
    {.name = "name", .is_needed = true},
    {.name = "requests", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "tokens_in", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "tokens_out", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "queue", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "refused", .kind = FieldKind::kInteger, .purpose = "429 and 503.", .is_needed = true},
    {.name = "first_token_buckets",
     .kind = FieldKind::kRecords,
     .is_needed = true,
     .fields = kBucket},
}};
constexpr std::array<Field, 6> kUpstream = {{
    {.name = "name", .is_needed = true},
    {.name = "attempts", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "failures", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "in_flight", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "connections", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "cooldowns", .kind = FieldKind::kInteger, .is_needed = true},
}};
constexpr std::array<Field, 5> kTenant = {{
    {.name = "name", .is_needed = true},
    {.name = "requests", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "tokens_in", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "tokens_out", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "micro_dollars", .kind = FieldKind::kInteger, .is_needed = true},
}};
constexpr std::array<Field, 6> kTop = {{
    {.name = "at", .kind = FieldKind::kTime, .is_needed = true},
    {.name = "uptime_s", .kind = FieldKind::kNumber, .is_needed = true},
    {.name = "shards", .kind = FieldKind::kRecords, .is_needed = true, .fields = kShard},
    {.name = "models", .kind = FieldKind::kRecords, .is_needed = true, .fields = kModel},
    {.name = "upstreams", .kind = FieldKind::kRecords, .is_needed = true, .fields = kUpstream},
    {.name = "tenants",
     .kind = FieldKind::kRecords,
     .purpose = "Since the beginning; none without a journal.",
     .is_needed = true,
     .fields = kTenant},
}};

using metrics::NamedCells;

// The sum of what `look` finds in the cells of each shard.
template <class Cells, class Look>
auto sum(const NamedCells<Cells>& named, Look look) {
  decltype(look(*named.by_shard.front())) total = 0;
  for (const auto& cells : named.by_shard) total += look(*cells);
  return total;
}

template <class Counters>
uint64_t sum_of(const Counters& counters, size_t count) {
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i) total += counters.at(i).value();
  return total;
}

void write_shards(json::Writer& writer, const AdminParts& parts) {
  writer.key("shards").begin_array();
  for (size_t i = 0; i < parts.registry.shards().size(); ++i) {
    const metrics::ShardCells& cells = *parts.registry.shards()[i];
    const shard::Shard* thread = i < parts.shards.size() ? parts.shards[i].thread : nullptr;
    writer.begin_object().key("shard").unsigned_integer(i);
    writer.key("cpu_seconds")
        .number(thread == nullptr ? 0 : static_cast<double>(thread->cpu_us()) / 1e6);
    writer.key("connections").integer(cells.connections_open.value());
    writer.key("in_flight").integer(cells.requests_in_flight.value());
    writer.key("bytes_sent")
        .unsigned_integer(sum_of(cells.bytes_sent, metrics::kPeerSideNames.size()));
    writer.end_object();
  }
  writer.end_array();
}

uint64_t count_requests(const metrics::ModelCells& cells, bool (*matters)(std::string_view)) {
  uint64_t count = 0;
  for (const auto& codes : cells.requests) {
    for (size_t i = 0; i < codes.size(); ++i) {
      if (matters(metrics::kCodeNames[i])) count += codes[i].value();
    }
  }
  return count;
}

void write_first_tokens(json::Writer& writer, const NamedCells<metrics::ModelCells>& model) {
  constexpr auto& kBounds = metrics::FirstTokenHistogram::bounds();
  writer.key("first_token_buckets").begin_array();
  for (size_t i = 0; i < metrics::FirstTokenHistogram::kBuckets; ++i) {
    writer.begin_object().key("le_s");
    i < kBounds.size() ? writer.number(kBounds[i] / 1e6) : writer.null();
    writer.key("count").unsigned_integer(sum(model, [i](const metrics::ModelCells& cells) {
      return cells.time_to_first_token.bucket(i);
    }));
    writer.end_object();
  }
  writer.end_array();
}

void write_models(json::Writer& writer, const metrics::Registry& registry) {
  const auto any = [](std::string_view) { return true; };
  const auto refusals = [](std::string_view code) { return code == "429" || code == "503"; };
  const auto tokens = [](size_t type) {
    return [type](const metrics::ModelCells& cells) { return cells.tokens.at(type).value(); };
  };
  writer.key("models").begin_array();
  for (const auto& model : registry.models().all()) {
    if (!model->is_bound) continue;
    writer.begin_object().key("name").string(model->name);
    writer.key("requests").unsigned_integer(sum(*model, [&](const metrics::ModelCells& cells) {
      return count_requests(cells, any);
    }));
    writer.key("tokens_in").unsigned_integer(sum(*model, tokens(0)));
    writer.key("tokens_out").unsigned_integer(sum(*model, tokens(1)));
    writer.key("queue").integer(
        sum(*model, [](const metrics::ModelCells& cells) { return cells.queue_length.value(); }));
    writer.key("refused").unsigned_integer(sum(
        *model, [&](const metrics::ModelCells& cells) { return count_requests(cells, refusals); }));
    write_first_tokens(writer, *model);
    writer.end_object();
  }
  writer.end_array();
}

void write_upstreams(json::Writer& writer, const metrics::Registry& registry) {
  using Cells = metrics::UpstreamCells;
  constexpr size_t kOutcomes = metrics::kAttemptOutcomeNames.size();
  // The first two outcomes are no failures of the upstream; neither is what was cancelled.
  const auto failures = [](const Cells& cells) {
    return sum_of(cells.attempts, kOutcomes) - cells.attempts.at(0).value() -
           cells.attempts.at(1).value() - cells.attempts.at(kOutcomes - 1).value();
  };
  writer.key("upstreams").begin_array();
  for (const auto& upstream : registry.upstreams().all()) {
    if (!upstream->is_bound) continue;
    writer.begin_object().key("name").string(upstream->name);
    writer.key("attempts").unsigned_integer(sum(*upstream, [](const Cells& cells) {
      return sum_of(cells.attempts, kOutcomes);
    }));
    writer.key("failures").unsigned_integer(sum(*upstream, failures));
    writer.key("in_flight").integer(sum(*upstream, [](const Cells& cells) {
      return cells.in_flight.value();
    }));
    writer.key("connections").integer(sum(*upstream, [](const Cells& cells) {
      return cells.connections_open.value();
    }));
    writer.key("cooldowns").unsigned_integer(sum(*upstream, [](const Cells& cells) {
      return cells.cooldowns.value();
    }));
    writer.end_object();
  }
  writer.end_array();
}

void write_tenants(json::Writer& writer, const control::SpendState& state) {
  writer.key("tenants").begin_array();
  size_t left_out = 0;
  std::vector<control::SpendLine> lines;
  if (state.book != nullptr) {
    lines = state.book->lines(control::SpendSubject::kTenant, config::LimitWindow::kTotal,
                              state.now, kTenantsMost, &left_out);
  }
  for (const control::SpendLine& line : lines) {
    writer.begin_object().key("name").string(line.name);
    writer.key("requests").unsigned_integer(line.sums.requests);
    writer.key("tokens_in").unsigned_integer(line.sums.input_tokens);
    writer.key("tokens_out").unsigned_integer(line.sums.output_tokens);
    writer.key("micro_dollars").unsigned_integer(line.sums.micro_dollars);
    writer.end_object();
  }
  writer.end_array();
}

Task<control::SmallAnswer> show_top(Call& call) {
  const AdminParts& parts = call.parts;
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  const Duration uptime = parts.clock.now() - parts.started.value_or(parts.clock.now());
  writer.begin_object().key("at").string(time_text(parts.clock.wall()));
  writer.key("uptime_s").number(std::chrono::duration<double>(uptime).count());
  write_shards(writer, parts);
  write_models(writer, parts.registry);
  write_upstreams(writer, parts.registry);
  write_tenants(writer, parts.operations.spend_state());
  writer.end_object();
  co_return answer;
}

constexpr std::array<Route, 1> kRows = {
    {{.method = http::Method::kGet,
      .path = "/v1/top",
      .purpose = "Figures since the start, of which two make the rates that `sluicectl top` shows.",
      .rights = Rights::kGateway,
      .run = show_top,
      .answer = kTop}}};

}  // namespace

std::span<const Route> top_rows() { return kRows; }

}  // namespace sluice::admin
