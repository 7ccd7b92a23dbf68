#include <array>
#include <utility>

#include <fmt/format.h>

#include <sluice/json/writer.h>

#include "config_answers.h"
#include "fields.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr std::array<Field, 7> kShown = {{
    {.name = "file", .is_needed = true},
    {.name = "generation", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "checksum", .purpose = "SHA-256 of the text.", .is_needed = true},
    {.name = "loaded_at", .kind = FieldKind::kTime, .is_needed = true},
    {.name = "reloads", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "log_level", .is_needed = true},
    {.name = "text", .purpose = "Without its secrets.", .is_needed = true},
}};
constexpr std::array<Field, 1> kCandidate = {
    {{.name = "text", .purpose = "The whole file, as YAML.", .is_needed = true}}};
constexpr std::array<Field, 3> kChecked = {{
    {.name = "valid", .kind = FieldKind::kBoolean, .is_needed = true},
    {.name = "warnings", .kind = FieldKind::kTexts, .is_needed = true},
    {.name = "changes", .kind = FieldKind::kTexts, .is_needed = true},
}};
constexpr std::array<Field, 5> kVersion = {{
    {.name = "generation", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "checksum", .is_needed = true},
    {.name = "at", .kind = FieldKind::kTime, .is_needed = true},
    {.name = "asked_by", .is_needed = true},
    {.name = "changes", .kind = FieldKind::kTexts, .is_needed = true},
}};
constexpr std::array<Field, 1> kHistory = {{{.name = "versions",
                                             .kind = FieldKind::kRecords,
                                             .purpose = "Newest first, at most 32.",
                                             .is_needed = true,
                                             .fields = kVersion}}};
constexpr std::array<Field, 1> kRollback = {
    {{.name = "generation", .kind = FieldKind::kInteger, .is_needed = true}}};

control::SmallAnswer no_config() {
  return control::error_answer(503, "unavailable", "there is no configuration to look at yet");
}

Task<control::SmallAnswer> show_config(Call& call) {
  control::ConfigWork* work = call.parts.config;
  if (work == nullptr || work->history().newest() == nullptr) co_return no_config();
  const std::string text = co_await work->shown_text();
  const control::ConfigHistory::Version version = work->history().newest();
  const config::Snapshot& snapshot = call.parts.operations.snapshot();
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object();
  writer.key("file").string(snapshot.source_path);
  writer.key("generation").unsigned_integer(snapshot.generation);
  writer.key("checksum").string(version->checksum);
  writer.key("loaded_at").string(time_text(version->at));
  writer.key("reloads").unsigned_integer(work->reloads());
  writer.key("log_level").string(to_string(work->log_level()));
  writer.key("text").string(text);
  writer.end_object();
  co_return answer;
}

Task<control::SmallAnswer> check_config(Call& call) {
  // A text names variables and files of this host, and what is wrong with it may quote them.
  if (!call.request.peer.process) {
    co_return control::error_answer(403, "forbidden",
                                    "a text is checked for processes on the Unix socket alone");
  }
  if (call.parts.config == nullptr) co_return no_config();
  const control::CandidateOutcome outcome =
      co_await call.parts.config->check(text_of(call.body, "text"));
  if (outcome.result != control::ReloadResult::kApplied) {
    co_return refusal_answer(outcome.result, outcome.problems, outcome.warnings,
                             call.parts.operations.snapshot().generation);
  }
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("valid").boolean(true);
  write_list(writer, "warnings", outcome.warnings);
  write_list(writer, "changes", outcome.changes);
  writer.end_object();
  co_return answer;
}

Task<control::SmallAnswer> show_history(Call& call) {
  if (call.parts.config == nullptr) co_return no_config();
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("versions").begin_array();
  const auto& versions = call.parts.config->history().versions();
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    writer.begin_object();
    writer.key("generation").unsigned_integer(version->generation);
    writer.key("checksum").string(version->checksum);
    writer.key("at").string(time_text(version->at));
    writer.key("asked_by").string(version->asked_by);
    write_list(writer, "changes", version->changes);
    writer.end_object();
  }
  writer.end_array().end_object();
  co_return answer;
}

Task<control::SmallAnswer> roll_back(Call& call) {
  if (call.parts.config == nullptr) co_return no_config();
  control::ReloadRequest request;
  request.asked_by = call.caller.actor.name;
  request.rollback_to = static_cast<uint64_t>(integer_of(call.body, "generation").value_or(0));
  call.note.object = fmt::format("generation {}", *request.rollback_to);
  const control::ReloadOutcome outcome = co_await call.parts.config->reload(std::move(request));
  co_return reload_answer(call, outcome);
}

constexpr std::array<Route, 4> kRows = {{
    {.method = http::Method::kGet,
     .path = "/v1/config",
     .purpose = "The configuration in force.",
     .rights = Rights::kGateway,
     .run = show_config,
     .answer = kShown},
    {.method = http::Method::kPost,
     .path = "/v1/config/validate",
     .purpose = "What would come of a text, were it in the file; on the Unix socket alone.",
     .rights = Rights::kGateway,
     .run = check_config,
     .body = kCandidate,
     .answer = kChecked},
    {.method = http::Method::kGet,
     .path = "/v1/config/history",
     .purpose = "The texts that were in force.",
     .rights = Rights::kGateway,
     .run = show_history,
     .answer = kHistory},
    {.method = http::Method::kPost,
     .path = "/v1/config/rollback",
     .purpose = "Puts an earlier text into force, and into the file.",
     .rights = Rights::kGateway,
     .run = roll_back,
     .body = kRollback,
     .answer = kReloadedFields,
     .action = "config.rollback"},
}};

}  // namespace

std::span<const Route> config_rows() { return kRows; }

}  // namespace sluice::admin
