#include <array>

#include <sluice/base/units.h>
#include <sluice/json/writer.h>

#include "fields.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr std::array<Field, 1> kTimeout = {
    {{.name = "timeout",
      .kind = FieldKind::kDuration,
      .purpose = "How long the new process may take until it serves; 50s without it."}}};

constexpr std::array<Field, 3> kUpgraded = {{
    {.name = "upgraded", .kind = FieldKind::kBoolean, .is_needed = true},
    {.name = "pid", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "version", .is_needed = true},
}};

control::SmallAnswer answer_of(const control::UpgradeOutcome& outcome) {
  if (outcome.result != control::UpgradeResult::kDone) {
    const bool is_busy = outcome.result == control::UpgradeResult::kBusy;
    return control::error_answer(is_busy ? 409 : 500, is_busy ? "busy" : "not_upgraded",
                                 outcome.problem);
  }
  control::SmallAnswer answer;
  json::Writer(answer.body)
      .begin_object()
      .key("upgraded")
      .boolean(true)
      .key("pid")
      .integer(outcome.pid)
      .key("version")
      .string(outcome.version)
      .end_object();
  return answer;
}

// Answers when the successor serves, or when there is none; this process drains then, or goes on.
Task<control::SmallAnswer> upgrade(Call& call) {
  Duration patience = control::Succession::kPatience;
  if (const std::string& text = text_of(call.body, "timeout"); !text.empty()) {
    const auto read = parse_duration(text);
    const bool is_good = read && *read > Duration{0} && *read <= control::Succession::kPatienceMost;
    if (!is_good) {
      co_return control::error_answer(
          400, "invalid_request", "timeout must be a duration above 0 and up to 10m", "timeout");
    }
    patience = *read;
  }
  const control::UpgradeOutcome outcome =
      co_await call.parts.operations.upgrade(patience, call.caller.actor.name);
  co_return answer_of(outcome);
}

constexpr std::array<Route, 1> kRows = {
    {{.method = http::Method::kPost,
      .path = "/v1/upgrade",
      .purpose = "Starts the program anew and gives it this one's place, as SIGUSR2 does.",
      .rights = Rights::kGateway,
      .run = upgrade,
      .body = kTimeout,
      .answer = kUpgraded,
      .action = "gateway.upgrade",
      .is_noted_first = true}}};

}  // namespace

std::span<const Route> upgrade_rows() { return kRows; }

}  // namespace sluice::admin
