#include <array>

#include <sluice/json/writer.h>

#include "fields.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"debug", "info", "warn", "error", "off"};
constexpr std::array<Field, 1> kLevel = {
    {{.name = "level", .is_needed = true, .choices = kLevels}}};
constexpr std::array<Field, 2> kShown = {
    {{.name = "level", .is_needed = true, .choices = kLevels},
     {.name = "configured", .is_needed = true, .choices = kLevels}}};

control::SmallAnswer answer_with(const Call& call) {
  control::SmallAnswer answer;
  json::Writer(answer.body)
      .begin_object()
      .key("level")
      .string(to_string(call.parts.config->log_level()))
      .key("configured")
      .string(to_string(call.parts.operations.snapshot().log.level))
      .end_object();
  return answer;
}

Task<control::SmallAnswer> show_level(Call& call) {
  if (call.parts.config == nullptr) {
    co_return control::error_answer(503, "unavailable", "there is no log level to look at yet");
  }
  co_return answer_with(call);
}

Task<control::SmallAnswer> set_level(Call& call) {
  const std::string& word = text_of(call.body, "level");
  LogLevel level = LogLevel::kInfo;
  if (!parse_log_level(word, &level)) {
    co_return control::error_answer(
        400, "invalid_request", "level must be one of debug, info, warn, error and off", "level");
  }
  if (call.parts.config == nullptr) {
    co_return control::error_answer(503, "unavailable", "there is no log level to set yet");
  }
  call.note.object = word;
  call.parts.config->set_log_level(level, call.caller.actor.name);
  co_return answer_with(call);
}

constexpr std::array<Route, 2> kRows = {{
    {.method = http::Method::kGet,
     .path = "/v1/log-level",
     .purpose = "What is logged at present.",
     .rights = Rights::kGateway,
     .run = show_level,
     .answer = kShown},
    {.method = http::Method::kPut,
     .path = "/v1/log-level",
     .purpose = "Logs more or less, until a reload names another level than before.",
     .rights = Rights::kGateway,
     .run = set_level,
     .body = kLevel,
     .answer = kShown,
     .action = "log_level.set"},
}};

}  // namespace

std::span<const Route> log_level_rows() { return kRows; }

}  // namespace sluice::admin
