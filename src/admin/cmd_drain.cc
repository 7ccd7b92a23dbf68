#include <array>

#include <sluice/base/units.h>
#include <sluice/json/writer.h>

#include "rows.h"

namespace sluice::admin {
namespace {

constexpr std::array<Field, 3> kDraining = {{
    {.name = "draining", .kind = FieldKind::kBoolean, .is_needed = true},
    {.name = "began_now", .kind = FieldKind::kBoolean, .is_needed = true},
    {.name = "drain_timeout", .kind = FieldKind::kDuration, .is_needed = true},
}};

// Answers as the drain begins; its end is the end of the process.
Task<control::SmallAnswer> drain(Call& call) {
  const AdminParts& parts = call.parts;
  const bool has_begun = parts.operations.begin_drain(call.caller.actor.name);
  control::SmallAnswer answer{.status = 202};
  json::Writer(answer.body)
      .begin_object()
      .key("draining")
      .boolean(true)
      .key("began_now")
      .boolean(has_begun)
      .key("drain_timeout")
      .string(format_duration(parts.operations.snapshot().drain_timeout))
      .end_object();
  co_return answer;
}

constexpr std::array<Route, 1> kRows = {{{.method = http::Method::kPost,
                                          .path = "/v1/drain",
                                          .purpose = "Begins to go away, as SIGTERM does.",
                                          .rights = Rights::kGateway,
                                          .run = drain,
                                          .answer = kDraining,
                                          .status = 202,
                                          .action = "gateway.drain"}}};

}  // namespace

std::span<const Route> drain_rows() { return kRows; }

}  // namespace sluice::admin
