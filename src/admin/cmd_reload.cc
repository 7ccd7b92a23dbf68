#include <array>

#include <sluice/json/writer.h>

#include "rows.h"

namespace sluice::admin {
namespace {

struct Refusal {
  uint16_t status;
  std::string_view code;
  std::string_view message;
};

Refusal refusal_of(control::ReloadResult result) {
  switch (result) {
    case control::ReloadResult::kBadFile:
      return {422, "invalid_config", "the file has errors; nothing has changed"};
    case control::ReloadResult::kNeedsRestart:
      return {409, "needs_restart", "the file needs a restart; nothing has changed"};
    default: return {409, "busy", "no reload is possible now; nothing has changed"};
  }
}

void write_list(json::Writer& writer, std::string_view name,
                const std::vector<std::string>& sentences) {
  writer.key(name).begin_array();
  for (const std::string& sentence : sentences) writer.string(sentence);
  writer.end_array();
}

Task<control::SmallAnswer> reload(Call& call) {
  const control::ReloadOutcome outcome =
      co_await call.parts.operations.reload(call.caller.actor.name);
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object();
  if (outcome.result != control::ReloadResult::kApplied) {
    const Refusal refusal = refusal_of(outcome.result);
    answer.status = refusal.status;
    writer.key("error").begin_object();
    writer.key("message").string(refusal.message);
    writer.key("type").string("invalid_request_error");
    writer.key("param").null();
    writer.key("code").string(refusal.code);
    writer.end_object();
    write_list(writer, "problems", outcome.problems);
  }
  writer.key("generation").unsigned_integer(outcome.generation);
  write_list(writer, "warnings", outcome.warnings);
  writer.end_object();
  co_return answer;
}

constexpr std::array<Field, 2> kReloaded = {{
    {.name = "generation", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "warnings", .kind = FieldKind::kTexts, .is_needed = true},
}};

constexpr std::array<Route, 1> kRows = {
    {{.method = http::Method::kPost,
      .path = "/v1/reload",
      .purpose = "Reads the configuration anew, as SIGHUP does.",
      .rights = Rights::kGateway,
      .run = reload,
      .answer = kReloaded,
      .action = "config.reload"}}};

}  // namespace

std::span<const Route> reload_rows() { return kRows; }

}  // namespace sluice::admin
