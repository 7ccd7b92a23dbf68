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

}  // namespace

Task<control::SmallAnswer> AdminService::answer(const control::SmallRequest& request) {
  const Command* command = find_command(request.path);
  std::string_view upstream;
  const UpstreamVerb* verb = find_upstream_verb(request.path, &upstream);
  if (command == nullptr && verb == nullptr) {
    co_return control::error_answer(404, "unknown_url",
                                    "no such command; docs/admin.md lists them");
  }
  if (request.method != (verb != nullptr ? http::Method::kPost : command->method)) {
    control::SmallAnswer refused = control::error_answer(
        405, "method_not_allowed", "this command takes another method; see the allow header");
    refused.allow = verb != nullptr ? "POST" : command->allow;
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
  if (verb != nullptr) {
    answer = order_upstream(parts_, upstream, verb->order, request.body);
  } else {
    answer = co_await command->run(parts_);
  }
  if (!answer.body.ends_with('\n')) answer.body += '\n';
  co_return answer;
}

}  // namespace sluice::admin
