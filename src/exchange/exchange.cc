#include <sluice/exchange/exchange.h>

#include <sluice/config/address_match.h>

#include "origin.h"
#include "phases.h"
#include "search.h"

namespace sluice::exchange {
namespace {

// Answers a refusal; settle then knows the status.
Task<void> refuse(Services& services, http::ResponseSink& client, HeadLines lines,
                  Settlement& settlement, Refusal refusal) {
  settlement.note_error(refusal.error);
  const uint16_t status =
      co_await reply_error(services, client, lines, refusal.error.code, refusal.details);
  settlement.note_status(status);
}

// A page's question what it may send. No path has the method OPTIONS, so one that exists is found
// with another method.
bool asks_in_advance(const Generation& generation, const Outcome<Endpoint>& endpoint,
                     const http::RequestHead& head) noexcept {
  return !endpoint && endpoint.error().error.code == ErrorCode::kMethodNotAllowed &&
         is_preflight(generation, head);
}

bool asks_for_health(const Outcome<Endpoint>& endpoint) noexcept {
  return endpoint && (*endpoint == Endpoint::kLivez || *endpoint == Endpoint::kReadyz);
}

HeadLines lines_for(const Generation& generation, const http::RequestHead& head,
                    RefusedHead refused, const Settlement& settlement) noexcept {
  return head_lines_for(generation, head, refused.status == 0, settlement.request_id());
}

// What needs no upstream. Without an identity: what anybody is told, without a limit and without a
// key, which a browser's question never has.
Task<void> reply(Services& services, Generation& generation, const Outcome<Endpoint>& endpoint,
                 const http::RequestHead& head, const Identity* identity,
                 http::ResponseSink& client, HeadLines lines, Settlement& settlement) {
  if (endpoint) {
    const Outcome<uint16_t> status = co_await answer_locally(services, generation, *endpoint, head,
                                                             identity, client, lines, settlement);
    if (!status) co_await refuse(services, client, lines, settlement, status.error());
    co_return;
  }
  const std::string_view allowed = generation.origins.preflight_lines(head.headers.find("origin"));
  const uint16_t status = co_await reply_preflight(services, client, lines, allowed);
  settlement.note_status(status);
}

}  // namespace

Exchange::Exchange(Services& services, const http::RequestHead& head, http::RequestBody& body,
                   http::ResponseSink& client, auth::KeyMemory& key_memory,
                   const std::optional<Ipv6Bytes>& peer, MonoTime began_at,
                   RefusedHead refused) noexcept
    : services_(services),
      head_(head),
      body_(body),
      client_(client),
      key_memory_(key_memory),
      peer_(peer),
      began_at_(began_at),
      refused_(refused) {}

std::optional<Ipv6Bytes> Exchange::find_address(const config::Snapshot& config) const noexcept {
  if (!peer_) return std::nullopt;
  if (refused_.status == 0) return find_client(*peer_, config.trusted_proxies, head_.headers);
  // Nothing that stands in such a head can be relied on.
  return config::contains(config.trusted_proxies, *peer_) ? std::nullopt : peer_;
}

Task<void> Exchange::run() {
  GenerationPin generation(*services_.generation);
  Settlement settlement(services_, *generation, head_, client_, began_at_);  // Phase 7, always.
  const Outcome<Endpoint> endpoint = read_head(head_, refused_, settlement);
  const HeadLines lines = lines_for(*generation, head_, refused_, settlement);
  settlement.note_client(find_address(generation->config));
  const std::optional<Ipv6Bytes>& address = settlement.client_address();
  if (asks_for_health(endpoint) || asks_in_advance(*generation, endpoint, head_)) {
    co_await reply(services_, *generation, endpoint, head_, nullptr, client_, lines, settlement);
    co_return;
  }
  if (address && !generation->config.ip_limits.empty()) {
    auto charged = charge_address_at_once(services_, *generation, *address, settlement);
    if (!charged) {
      charged =
          co_await charge_address_by_ledger(services_, *generation, *address, settlement, client_);
    }
    if (!*charged) {
      co_await refuse(services_, client_, lines, settlement, charged->error());
      co_return;
    }
  }
  if (!endpoint) {
    co_await refuse(services_, client_, lines, settlement, endpoint.error());
    co_return;
  }
  Identification identification(services_, *generation, head_, key_memory_, settlement);
  std::optional<Outcome<Identity>> decided = identification.decide_at_once();
  if (!decided) decided = co_await identification.decide_by_sources(client_);
  const Outcome<Identity>& identity = *decided;
  if (!identity) {
    co_await refuse(services_, client_, lines, settlement, identity.error());
    co_return;
  }
  if (!is_forwarded(*endpoint)) {
    co_await reply(services_, *generation, endpoint, head_, &*identity, client_, lines, settlement);
    co_return;
  }
  if (const Outcome<void> wanted = admit_body(services_, head_); !wanted) {
    co_await refuse(services_, client_, lines, settlement, wanted.error());
    co_return;
  }
  const uint64_t bytes_max = generation->config.limits.body_bytes_max;
  std::optional<Result<std::string_view>> body = body_.take_at_hand(bytes_max);
  if (!body) body = co_await body_.read(bytes_max);
  Admission admission;
  const Outcome<void> admitted =
      admit(services_, *generation, head_, *body, *identity, settlement, admission);
  if (!admitted) {
    co_await refuse(services_, client_, lines, settlement, admitted.error());
    co_return;
  }
  if (has_limits(*generation, *identity)) {
    auto charged = charge_at_once(services_, *generation, admission, settlement);
    if (!charged) {
      charged = co_await charge_by_ledger(services_, *generation, admission, settlement, client_);
    }
    if (!*charged) {
      co_await refuse(services_, client_, lines, settlement, charged->error());
      co_return;
    }
  }
  Search search(services_, *generation, *endpoint, head_, admission, settlement);
  Outcome<Answer> answer = co_await route_and_send(search, client_);
  if (!answer) {
    co_await refuse(services_, client_, lines, settlement, answer.error());
    co_return;
  }
  co_await relay_answer(search, *answer, body_, client_, lines);
}

}  // namespace sluice::exchange
