#include "phases.h"

namespace sluice::exchange {

Outcome<Endpoint> read_head(const http::RequestHead& head, RefusedHead refused,
                            Settlement& settlement) noexcept {
  if (refused.status != 0) {
    settlement.note_request(Endpoint::kOther, {});
    return std::unexpected(Refusal{refused.error, {.status = refused.status}});
  }
  const std::string_view request_id = head.headers.find(http::HeaderName::kXRequestId);
  const std::string_view trace_id = head.headers.find(http::HeaderName::kXTraceId);
  Endpoint found = Endpoint::kOther;
  const Result<Endpoint> endpoint = match_endpoint(head.method, head.path, found);
  settlement.note_request(found, request_id.empty() ? trace_id : request_id);
  if (!endpoint) {
    return std::unexpected(Refusal{endpoint.error(), {.allow = method_of(found)}});
  }
  return *endpoint;
}

Outcome<auth::Principal> identify(Generation& generation, const http::RequestHead& head,
                                  auth::KeyMemory& memory, Settlement& settlement,
                                  WallTime now) noexcept {
  const auth::Credentials credentials{
      .authorization = head.headers.find(http::HeaderName::kAuthorization),
      .x_api_key = head.headers.find(http::HeaderName::kXApiKey),
      .api_key = head.headers.find(http::HeaderName::kApiKey),
  };
  const Result<auth::Principal> principal = generation.auth.identify(credentials, now, memory);
  if (!principal) return std::unexpected(Refusal{principal.error(), {}});
  settlement.note_principal(*principal);
  return *principal;
}

}  // namespace sluice::exchange
