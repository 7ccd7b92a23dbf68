#include <sluice/io/timer.h>

#include "ledger_wait.h"
#include "phase_scripts.h"
#include "phases.h"

namespace sluice::exchange {
namespace {

using auth::Identified;

Outcome<Identity> refuse(const Error& error) noexcept {
  return std::unexpected(Refusal{error, {}});
}

Identity identity_of(Caller& caller) noexcept {
  return {.principal = {.tenant = caller.tenant(),
                        .weight = caller.weight(),
                        .priority_max = caller.priority_max()},
          .caller = &caller};
}

}  // namespace

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

Identification::Identification(Services& services, Generation& generation,
                               const http::RequestHead& head, auth::KeyMemory& memory,
                               Settlement& settlement) noexcept
    : services_(services),
      generation_(generation),
      head_(head),
      memory_(memory),
      settlement_(settlement),
      credentials_{.authorization = head.headers.find(http::HeaderName::kAuthorization),
                   .x_api_key = head.headers.find(http::HeaderName::kXApiKey),
                   .api_key = head.headers.find(http::HeaderName::kApiKey)} {}

Outcome<Identity> Identification::accept(const Identity& identity, metrics::KeyAnswer from) {
  services_.cells.key_answers[from].add();
  // Also one that is refused is named in the log.
  settlement_.note_identity(identity);
  if (identity.caller != nullptr) {
    const Result<void> checked =
        identity.caller->check(services_.ring.wall(), settlement_.client_address());
    if (!checked) return refuse(checked.error());
  }
  const Scripts* const scripts = generation_.scripts.get();
  if (scripts != nullptr && scripts->has(script::HookKind::kOnAuth)) {
    const Outcome<void> asked = ask_on_auth(services_, generation_, head_, identity, settlement_);
    if (!asked) return std::unexpected(asked.error());
  }
  return identity;
}

std::optional<Outcome<Identity>> Identification::decide_at_once() {
  const Result<auth::Claim> claim =
      generation_.auth.read(credentials_, services_.ring.wall(), memory_);
  if (!claim) return refuse(claim.error());
  using metrics::KeyAnswer;
  if (claim->principal) {
    return accept({.principal = *claim->principal}, KeyAnswer::kFile);
  }
  claim_ = *claim;
  const auth::Answer file = generation_.auth.ask_file(claim_.digest, services_.ring.wall());
  if (file.verdict == auth::Verdict::kAllow) {
    remember();
    return accept({.principal = file.principal}, KeyAnswer::kFile);
  }
  if (file.verdict == auth::Verdict::kDeny) {
    services_.cells.key_answers[KeyAnswer::kNobody].add();
    return refuse({ErrorCode::kInvalidApiKey, Side::kDownstream, Retry::kNever, file.reason});
  }
  return walk_chain(false);
}

std::optional<Outcome<Identity>> Identification::walk_chain(bool has_waited) {
  KeyRoom& keys = services_.keys;
  const MonoTime now = services_.ring.now();
  if (Caller* known = keys.find_caller(claim_.digest, generation_, now)) {
    remember();
    return accept(identity_of(*known), known->from());
  }
  ScriptDecider decider(services_, generation_, head_, secret(), settlement_);
  const bool decides = generation_.scripts != nullptr && generation_.scripts->decides();
  const Result<Identified> identified = keys.identify(
      generation_.auth, claim_.digest, services_.ring.wall(), now, decides ? &decider : nullptr);
  if (!identified) {
    services_.cells.key_answers[metrics::KeyAnswer::kNobody].add();
    return refuse(identified.error());
  }
  if (identified->by == Identified::By::kMustAsk) {
    sources_end_ = identified->sources_end;
    return std::nullopt;
  }
  const metrics::KeyAnswer from = has_waited ? metrics::KeyAnswer::kAsked : identified->from;
  remember();
  if (identified->by == Identified::By::kFile) {
    return accept({.principal = identified->principal}, from);
  }
  // Before asking, since that may change what `found` refers to.
  Caller& caller = keys.add_caller(
      std::make_unique<Caller>(identified->found, claim_.digest, generation_, identified->from),
      identified->holds_until);
  if (identified->is_refresh_due) (void)ask(identified->sources_end);
  return accept(identity_of(caller), from);
}

void Identification::remember() noexcept {
  if (!claim_.secret.empty()) memory_.remember(credentials_, claim_.digest);
}

std::string_view Identification::secret() const noexcept {
  if (!claim_.secret.empty()) return claim_.secret;
  // It was remembered, so it can be read.
  return auth::extract_secret(credentials_).value_or(std::string_view());
}

bool Identification::ask(uint32_t sources_end) {
  return services_.keys.ask(secret(), claim_.digest, sources_end, settlement_.client_address(),
                            services_.ring.now());
}

Task<Outcome<Identity>> Identification::decide_by_sources(http::ResponseSink& client) {
  if (!ask(sources_end_)) {
    services_.cells.key_lookups_refused.add();
    co_return refuse({ErrorCode::kKeySourceFailed, Side::kSelf, Retry::kNever,
                      "too many keys are being asked about"});
  }
  const MonoTime began_at = services_.ring.now();
  io::Timer timer(services_.ring.ready(), services_.ring.timers());
  // Control gives up the sources after auth.wait_max; only if it is late itself is this seen.
  timer.set(Deadline::after(began_at, generation_.config.auth.wait_max + kControlLateMax));
  KeyRoom::Waiting waiting(services_.ring.ready());
  services_.keys.join(claim_.digest, waiting);
  co_await io::first_of(&waiting.answered, &client.interrupted(), &timer);
  services_.cells.key_wait.record(services_.ring.now() - began_at);
  if (client.interrupted().is_ready()) {
    co_return refuse({client.interruption(), Side::kDownstream, Retry::kNever,
                      "ended while key sources were asked"});
  }
  std::optional<Outcome<Identity>> decided = walk_chain(true);
  // Asked once; what is still not known after that is not waited for again.
  if (!decided) {
    co_return refuse(
        {ErrorCode::kKeySourceFailed, Side::kSelf, Retry::kNever, "key sources did not answer"});
  }
  co_return *decided;
}

}  // namespace sluice::exchange
