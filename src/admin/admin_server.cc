#include <sluice/admin/admin_server.h>

#include <algorithm>
#include <set>
#include <vector>

#include <fmt/format.h>

#include <sluice/http/headers.h>

#include "fields.h"
#include "router.h"
#include "store_call.h"

namespace sluice::admin {
namespace {

// `content_type` without its parameters.
bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return http::equals_ignoring_case(type, "application/json");
}

Refusal refuse(uint16_t status, std::string_view code, std::string_view message) {
  return {.status = status, .code = code, .message = std::string(message), .param = {}};
}

std::optional<Refusal> check_rights(const Route& route, const Caller& caller) {
  if (caller.is_read_only && route.changes()) {
    return refuse(403, "forbidden", "a key of type read_only may send GETs alone");
  }
  if (caller.is_scoped() && route.rights == Rights::kGateway) {
    return refuse(403, "forbidden",
                  "this concerns the whole gateway; use a management key without an organisation "
                  "and a team, or the Unix socket");
  }
  return std::nullopt;
}

Refusal refuse_name(std::string param) {
  Refusal refusal = refuse(403, "forbidden",
                           "the configuration has this name for something of its own; only a key "
                           "without organisation and team, or the Unix socket, can give it");
  refusal.param = std::move(param);
  return refusal;
}

// Who pays for a key, and whose limits it is under, is found by the id or name of its owners, and
// what it used is counted by its id. A key that manages a part of the gateway gives none of them
// the name of a tenant or key of the configuration.
std::optional<Refusal> check_names(const Call& call) {
  if (!call.caller.is_scoped() || !call.route.changes()) return std::nullopt;
  const config::Snapshot& config = call.parts.operations.snapshot();
  if (const json::Value* items = call.body.find("keys"); items != nullptr && items->as_array()) {
    std::set<std::string_view> names;
    for (const config::Key& key : config.keys) names.insert(key.name);
    for (const json::Value& item : *items->as_array()) {
      if (names.contains(text_of(item, "id"))) return refuse_name("keys");
    }
  }
  if (call.route.path.starts_with("/v1/keys") || call.route.path.starts_with("/key/")) {
    return std::nullopt;
  }
  std::vector<std::string_view> members = {"name", "team_alias"};
  if (call.route.is_remembered) members.insert(members.end(), {"id", "team_id"});
  for (const std::string_view member : members) {
    const std::string& text = text_of(call.body, member);
    const auto tenant = std::ranges::find(config.tenants, text, &config::Tenant::name);
    if (tenant != config.tenants.end()) return refuse_name(std::string(member));
  }
  return std::nullopt;
}

bool has_path(std::string_view path) {
  return !find_route(path, http::Method::kOther).allow.empty();
}

metrics::AdminResult result_of(uint16_t status) noexcept {
  if (status < 400) return metrics::AdminResult::kDone;
  return status < 500 ? metrics::AdminResult::kRefused : metrics::AdminResult::kFailed;
}

}  // namespace

control::SmallAnswer answer_of(const Refusal& refusal) {
  return control::error_answer(refusal.status, refusal.code, refusal.message, refusal.param);
}

const config::OriginRules& AdminService::origins() {
  const config::Snapshot& snapshot = parts_.operations.snapshot();
  if (origins_generation_ != snapshot.generation) {
    config::CorsSettings settings = snapshot.cors;
    settings.allow_all_origins = false;  // Of those who may command, each is named.
    origins_ = config::OriginRules(settings, settings.admin_origins);
    origins_generation_ = snapshot.generation;
  }
  return origins_;
}

Task<control::SmallAnswer> AdminService::answer(const control::SmallRequest& request) {
  // What a page is told: never anything over the socket, which something may have forwarded.
  const config::OriginRules& rules = origins();
  const bool is_page = request.has_origin && !request.peer.process;
  std::string lines = is_page ? std::string(rules.answer_lines(request.origin)) : std::string();
  const bool is_foreign = request.has_origin && lines.empty();
  control::SmallAnswer answer;
  if (is_page && !is_foreign && request.is_preflight && has_path(request.path)) {
    answer.status = 204;
    lines = rules.preflight_lines(request.origin);
    lines += rules.shared_lines();
  } else {
    lines += rules.shared_lines();
    answer = co_await let_in(request, is_foreign);
  }
  answer.lines = std::move(lines);
  if (answer.status != 204 && !answer.body.ends_with('\n')) answer.body += '\n';
  parts_.registry.control().admin_requests[result_of(answer.status)].add();
  co_return answer;
}

// From what costs least and tells least to what the call itself says.
Task<control::SmallAnswer> AdminService::let_in(const control::SmallRequest& request,
                                                bool is_foreign) {
  if (is_foreign) {
    co_return answer_of(refuse(403, "foreign_origin", "requests of browsers are refused"));
  }
  auto caller = identify(parts_, request, failures_);
  if (!caller) co_return answer_of(caller.error());
  Match match = find_route(request.path, request.method);
  if (match.route == nullptr) {
    const bool is_known = !match.allow.empty();
    control::SmallAnswer refused = answer_of(
        is_known ? refuse(405, "method_not_allowed",
                          "this call takes another method; see the allow header")
                 : refuse(404, "unknown_url", "no such call; GET /v1/openapi.json lists them"));
    refused.allow = match.allow;
    co_return refused;
  }
  const Route& route = *match.route;
  if (auto refusal = check_rights(route, *caller)) co_return answer_of(*refusal);
  // What a page in a browser can send without asking has another type, with or without a body.
  const bool has_type = !request.body.empty() || !request.content_type.empty();
  if (has_type && !is_json(request.content_type)) {
    co_return answer_of(
        refuse(415, "unsupported_media_type", "send the body as application/json, or send none"));
  }
  auto query = read_query(route.query, request.query);
  if (!query) co_return answer_of(query.error());
  auto body = read_body(route.body, request.body);
  if (!body) co_return answer_of(body.error());
  Call call{.parts = parts_,
            .request = request,
            .route = route,
            .caller = *std::move(caller),
            .places = std::move(match.places),
            .query = *std::move(query),
            .body = *std::move(body)};
  if (auto refusal = check_names(call)) co_return answer_of(*refusal);
  if (route.is_noted_first) co_await note(call, control::SmallAnswer{.status = 202});
  control::SmallAnswer answer = co_await route.run(call);
  if (!route.action.empty() && !route.is_noted_first) co_await note(call, answer);
  co_return answer;
}

}  // namespace sluice::admin
