#include <sluice/exchange/exchange.h>

#include <sluice/config/address_match.h>

#include "origin.h"
#include "phases.h"
#include "search.h"

namespace sluice::exchange {
namespace {

// Answers a refusal; settle then knows the status.
Task<void> refuse(Services& services, http::ResponseSink& client, Settlement& settlement,
                  Refusal refusal) {
  settlement.note_error(refusal.error);
  const uint16_t status = co_await reply_error(services, client, settlement.request_id(),
                                               refusal.error.code, refusal.details);
  settlement.note_status(status);
}

bool asks_for_health(const Outcome<Endpoint>& endpoint) noexcept {
  return endpoint && (*endpoint == Endpoint::kLivez || *endpoint == Endpoint::kReadyz);
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
  const bool is_probe = asks_for_health(endpoint);
  settlement.note_client(find_address(generation->config));
  const std::optional<Ipv6Bytes>& address = settlement.client_address();
  if (address && !is_probe && !generation->config.ip_limits.empty()) {
    auto charged = charge_address_at_once(services_, *generation, *address, settlement);
    if (!charged) {
      charged =
          co_await charge_address_by_ledger(services_, *generation, *address, settlement, client_);
    }
    if (!*charged) {
      co_await refuse(services_, client_, settlement, charged->error());
      co_return;
    }
  }
  if (!endpoint) {
    co_await refuse(services_, client_, settlement, endpoint.error());
    co_return;
  }
  Identification identification(services_, *generation, head_, key_memory_, settlement);
  std::optional<Outcome<Identity>> decided = Identity{};
  if (!is_probe) decided = identification.decide_at_once();
  if (!decided) decided = co_await identification.decide_by_sources(client_);
  const Outcome<Identity>& identity = *decided;
  if (!identity) {
    co_await refuse(services_, client_, settlement, identity.error());
    co_return;
  }
  if (!is_forwarded(*endpoint)) {
    const Outcome<uint16_t> status =
        co_await answer_locally(services_, *generation, *endpoint, head_,
                                is_probe ? nullptr : &*identity, client_, settlement);
    if (!status) co_await refuse(services_, client_, settlement, status.error());
    co_return;
  }
  if (const Outcome<void> wanted = admit_body(services_, head_); !wanted) {
    co_await refuse(services_, client_, settlement, wanted.error());
    co_return;
  }
  const uint64_t body_bytes_max = generation->config.limits.body_bytes_max;
  std::optional<Result<std::string_view>> body = body_.take_at_hand(body_bytes_max);
  if (!body) body = co_await body_.read(body_bytes_max);
  const Outcome<Admission> admission =
      admit(services_, *generation, head_, *body, *identity, settlement);
  if (!admission) {
    co_await refuse(services_, client_, settlement, admission.error());
    co_return;
  }
  if (has_limits(*generation, *identity)) {
    auto charged = charge_at_once(services_, *generation, *admission, settlement);
    if (!charged) {
      charged = co_await charge_by_ledger(services_, *generation, *admission, settlement, client_);
    }
    if (!*charged) {
      co_await refuse(services_, client_, settlement, charged->error());
      co_return;
    }
  }
  Search search(services_, *generation, *endpoint, head_, *admission, settlement);
  Outcome<Answer> answer = co_await route_and_send(search, client_);
  if (!answer) {
    co_await refuse(services_, client_, settlement, answer.error());
    co_return;
  }
  co_await relay_answer(search, *answer, body_, client_);
}

}  // namespace sluice::exchange
