#include <sluice/admin/admin_server.h>

#include <sluice/http/headers.h>

#include "command.h"

namespace sluice::admin {
namespace {

// `content_type` without its parameters.
bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return http::equals_ignoring_case(type, "application/json");
}

const Command* find_command(std::string_view path) {
  for (const Command& command : commands()) {
    if (command.path == path) return &command;
  }
  return nullptr;
}

// What an answer needs to know of the path.
struct Asked {
  const Command* command = nullptr;
  const UpstreamVerb* verb = nullptr;
  std::string_view upstream;  // Of `verb`.
  std::optional<SpendQuestion> spend;

  [[nodiscard]] bool is_known() const noexcept {
    return command != nullptr || verb != nullptr || spend;
  }
  [[nodiscard]] http::Method method() const noexcept {
    if (command != nullptr) return command->method;
    return verb != nullptr ? http::Method::kPost : http::Method::kGet;
  }
  [[nodiscard]] std::string_view allow() const noexcept {
    if (command != nullptr) return command->allow;
    return verb != nullptr ? "POST" : "GET";
  }
};

Asked find_asked(std::string_view path) {
  Asked asked;
  asked.command = find_command(path);
  asked.verb = find_upstream_verb(path, &asked.upstream);
  asked.spend = find_spend_question(path);
  return asked;
}

}  // namespace

Task<control::SmallAnswer> AdminService::answer(const control::SmallRequest& request) {
  const Asked asked = find_asked(request.path);
  if (!asked.is_known()) {
    co_return control::error_answer(404, "unknown_url",
                                    "no such command; docs/admin.md lists them");
  }
  if (request.method != asked.method()) {
    control::SmallAnswer refused = control::error_answer(
        405, "method_not_allowed", "this command takes another method; see the allow header");
    refused.allow = asked.allow();
    co_return refused;
  }
  // A page in a browser may be made to send a request here through some forwarded socket.
  if (request.has_origin) {
    co_return control::error_answer(403, "foreign_origin", "requests of browsers are refused");
  }
  if (!request.body.empty() && !is_json(request.content_type)) {
    co_return control::error_answer(415, "unsupported_media_type",
                                    "send the body as application/json, or send none");
  }
  control::SmallAnswer answer;
  if (asked.verb != nullptr) {
    answer = order_upstream(parts_, asked.upstream, asked.verb->order, request.body);
  } else if (asked.spend) {
    answer = show_spend(parts_, *asked.spend);
  } else {
    answer = co_await asked.command->run(parts_);
  }
  if (!answer.body.ends_with('\n')) answer.body += '\n';
  co_return answer;
}

}  // namespace sluice::admin
