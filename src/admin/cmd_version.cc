#include <array>

#include <sluice/json/writer.h>

#include "rows.h"

namespace sluice::admin {
namespace {

constexpr std::array<Field, 4> kVersion = {{
    {.name = "version", .is_needed = true},
    {.name = "generation", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "config", .purpose = "The configuration file.", .is_needed = true},
    {.name = "draining", .kind = FieldKind::kBoolean, .is_needed = true},
}};

Task<control::SmallAnswer> show_version(Call& call) {
  const AdminParts& parts = call.parts;
  control::SmallAnswer answer;
  json::Writer(answer.body)
      .begin_object()
      .key("version")
      .string(parts.version)
      .key("generation")
      .unsigned_integer(parts.operations.snapshot().generation)
      .key("config")
      .string(parts.operations.snapshot().source_path)
      .key("draining")
      .boolean(parts.operations.is_draining())
      .end_object();
  co_return answer;
}

constexpr std::array<Route, 1> kRows = {{{.path = "/v1/version",
                                          .purpose = "What runs, with which configuration.",
                                          .rights = Rights::kAnybody,
                                          .run = show_version,
                                          .answer = kVersion}}};

}  // namespace

std::span<const Route> version_rows() { return kRows; }

}  // namespace sluice::admin
