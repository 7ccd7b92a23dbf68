#include <array>

#include <sluice/json/writer.h>

#include "rows.h"

namespace sluice::admin {
namespace {

uint64_t count_requests(const metrics::Registry& registry, size_t shard) {
  uint64_t count = 0;
  for (const auto& model : registry.models().all()) {
    for (const auto& codes : model->by_shard[shard]->requests) {
      for (const metrics::Counter& counter : codes) count += counter.value();
    }
  }
  return count;
}

Task<control::SmallAnswer> show_shards(Call& call) {
  const AdminParts& parts = call.parts;
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("shards").begin_array();
  for (size_t i = 0; i < parts.registry.shards().size(); ++i) {
    const metrics::ShardCells& cells = *parts.registry.shards()[i];
    const ShardSeat seat = i < parts.shards.size() ? parts.shards[i] : ShardSeat{};
    writer.begin_object().key("shard").unsigned_integer(i);
    writer.key("cpu");
    seat.cpu < 0 ? writer.null() : writer.integer(seat.cpu);
    writer.key("cpu_seconds")
        .number(seat.thread == nullptr ? 0 : static_cast<double>(seat.thread->cpu_us()) / 1e6);
    writer.key("connections").integer(cells.connections_open.value());
    writer.key("in_flight").integer(cells.requests_in_flight.value());
    writer.key("requests").unsigned_integer(count_requests(parts.registry, i));
    writer.key("turns").unsigned_integer(cells.loop_turns.value());
    writer.key("buffers_in_use").integer(cells.buffers_in_use.value());
    writer.key("buffers_starved").unsigned_integer(cells.buffers_starved.value());
    writer.key("cq_overflows").unsigned_integer(cells.cq_overflows.value());
    writer.end_object();
  }
  writer.end_array().end_object();
  co_return answer;
}

constexpr std::array<Field, 10> kShard = {{
    {.name = "shard", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "cpu", .kind = FieldKind::kInteger, .purpose = "null when it is not bound to one."},
    {.name = "cpu_seconds", .kind = FieldKind::kNumber, .is_needed = true},
    {.name = "connections", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "in_flight", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "requests", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "turns", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "buffers_in_use", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "buffers_starved", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "cq_overflows", .kind = FieldKind::kInteger, .is_needed = true},
}};
constexpr std::array<Field, 1> kShards = {
    {{.name = "shards", .kind = FieldKind::kRecords, .is_needed = true, .fields = kShard}}};

constexpr std::array<Route, 1> kRows = {{{.path = "/v1/shards",
                                          .purpose = "What each shard does.",
                                          .rights = Rights::kGateway,
                                          .run = show_shards,
                                          .answer = kShards}}};

}  // namespace

std::span<const Route> shard_rows() { return kRows; }

}  // namespace sluice::admin
