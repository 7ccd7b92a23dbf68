#include "config_answers.h"

namespace sluice::admin {
namespace {

struct Reason {
  uint16_t status;
  std::string_view code;
  std::string_view message;
};

Reason reason_of(control::ReloadResult result) {
  using enum control::ReloadResult;
  switch (result) {
    case kBadFile: return {422, "invalid_config", "the file has errors; nothing has changed"};
    case kNeedsRestart:
      return {409, "needs_restart", "the file needs a restart; nothing has changed"};
    case kOtherText:
      return {409, "checksum_mismatch", "the file is not the expected one; nothing has changed"};
    case kUnknownVersion:
      return {404, "not_found", "the history has no such generation; nothing has changed"};
    case kNotDone: return {409, "not_possible", "it cannot be carried out; nothing has changed"};
    default: return {409, "busy", "no reload is possible now; nothing has changed"};
  }
}

}  // namespace

void write_list(json::Writer& writer, std::string_view name,
                const std::vector<std::string>& sentences) {
  writer.key(name).begin_array();
  for (const std::string& sentence : sentences) writer.string(sentence);
  writer.end_array();
}

control::SmallAnswer refusal_answer(control::ReloadResult result,
                                    const std::vector<std::string>& problems,
                                    const std::vector<std::string>& warnings, uint64_t generation) {
  const Reason reason = reason_of(result);
  control::SmallAnswer answer{.status = reason.status};
  json::Writer writer(answer.body);
  writer.begin_object().key("error").begin_object();
  writer.key("message").string(reason.message);
  writer.key("type").string("invalid_request_error");
  writer.key("param").null();
  writer.key("code").string(reason.code);
  writer.end_object();
  write_list(writer, "problems", problems);
  writer.key("generation").unsigned_integer(generation);
  write_list(writer, "warnings", warnings);
  writer.end_object();
  return answer;
}

control::SmallAnswer reload_answer(Call& call, const control::ReloadOutcome& outcome) {
  if (outcome.result != control::ReloadResult::kApplied) {
    return refusal_answer(outcome.result, outcome.problems, outcome.warnings, outcome.generation);
  }
  json::Writer note(call.note.after);
  note.begin_object().key("generation").unsigned_integer(outcome.generation);
  write_list(note, "changes", outcome.changes);
  note.end_object();
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("generation").unsigned_integer(outcome.generation);
  writer.key("checksum").string(outcome.checksum);
  write_list(writer, "changes", outcome.changes);
  write_list(writer, "warnings", outcome.warnings);
  writer.end_object();
  return answer;
}

}  // namespace sluice::admin
