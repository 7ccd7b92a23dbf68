// What limits have to say: those of addresses before phase 2, the others at the end of phase 3.
#include <algorithm>
#include <cmath>

#include <sluice/io/timer.h>

#include "phases.h"

namespace sluice::exchange {
namespace {

using Verdict = limit::Decision::Verdict;

// Control gives up a ledger after redis.wait_max, and then every limit answers at once. Only if
// control itself is late does a request see the end of this.
constexpr Duration kControlLateMax = milliseconds(250);

int64_t to_amount(uint64_t tokens) noexcept {
  return static_cast<int64_t>(std::min(tokens, uint64_t{config::LimitRule::kMostMax}));
}

// The dearest of the routes: which one answers is not known yet. Nothing for models without a
// price.
int64_t dearest(const config::Model& model, int64_t input, int64_t output) noexcept {
  double micro_dollars = 0;
  for (const config::Route& route : model.routes) {
    if (!route.price) continue;
    micro_dollars =
        std::max(micro_dollars, static_cast<double>(input) * route.price->input_per_million +
                                    static_cast<double>(output) * route.price->output_per_million);
  }
  return static_cast<int64_t>(
      std::ceil(std::min(micro_dollars, static_cast<double>(config::LimitRule::kMostMax))));
}

// What the client allows each choice, of all that it asks for.
std::optional<uint64_t> most_of_all_choices(const json::Envelope& envelope) noexcept {
  const std::optional<uint64_t> most = envelope.output_tokens_max();
  if (!most) return std::nullopt;
  constexpr uint64_t kMost = config::LimitRule::kMostMax;
  const uint64_t choices = std::clamp(envelope.n.value_or(1), uint64_t{1}, uint64_t{1} << 20);
  return std::min(std::min(*most, kMost) * choices, kMost);
}

Refusal to_refusal(const limit::Decision& decision) noexcept {
  if (decision.verdict == Verdict::kNoRoom) {
    return {{ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "limits.subjects_max"}, {}};
  }
  if (decision.verdict == Verdict::kAskLedger) {
    return {{ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "no answer of the ledger"}, {}};
  }
  ErrorDetails details{.retry_after = decision.retry_after,
                       .rule = decision.rule,
                       .view = decision.view,
                       .is_too_large_for_limit = decision.is_too_large};
  const auto refuse = [&](ErrorCode code, std::string_view why) -> Refusal {
    return {{code, Side::kDownstream, Retry::kNever, why}, details};
  };
  switch (decision.rule->measure) {
    case config::LimitMeasure::kConcurrency:
      return refuse(ErrorCode::kConcurrencyLimit, "requests in flight");
    case config::LimitMeasure::kMicroDollars:
      return refuse(ErrorCode::kInsufficientQuota, "a budget is spent");
    case config::LimitMeasure::kRequests: return refuse(ErrorCode::kRateLimited, "requests");
    default: return refuse(ErrorCode::kRateLimited, "tokens");
  }
}

limit::Party party_of(const Admission& admission) noexcept {
  const Identity& identity = admission.identity;
  limit::Party party{identity.principal.key, identity.principal.tenant, admission.model};
  if (identity.caller != nullptr) party.own = &identity.caller->limits();
  return party;
}

std::optional<Outcome<void>> to_outcome(const limit::Decision& decision,
                                        Settlement& settlement) noexcept {
  settlement.note_limits(decision);
  switch (decision.verdict) {
    case Verdict::kGranted: return Outcome<void>{};
    case Verdict::kAskLedger: return std::nullopt;
    default: return std::unexpected(to_refusal(decision));
  }
}

// Calls `charge` after each answer of the ledger until it decides. What it refers to lives in the
// frame of the exchange.
template <class Charge>
Task<Outcome<void>> await_ledger(Services& services, Generation& generation, Settlement& settlement,
                                 http::ResponseSink& client, Charge charge) {
  io::Timer timer(services.ring.ready(), services.ring.timers());
  const Duration wait_max =
      generation.config.redis ? generation.config.redis->wait_max : Duration{};
  timer.set(Deadline::after(services.ring.now(), wait_max + kControlLateMax));
  limit::Decision decision{.verdict = Verdict::kAskLedger};
  bool was_answered = false;
  while (decision.verdict == Verdict::kAskLedger && !timer.is_ready()) {
    GrantRoom::Waiting waiting(services.ring.ready());
    services.grants.join(waiting);
    if (services.control_ring != nullptr) services.control_ring->wake();
    co_await io::first_of(&waiting.answered, &client.interrupted(), &timer);
    if (client.interrupted().is_ready()) {
      co_return std::unexpected(Refusal{{client.interruption(), Side::kDownstream, Retry::kNever,
                                         "ended while limits were asked"},
                                        {}});
    }
    was_answered = was_answered || waiting.answered.is_ready();
    decision = charge();
  }
  if (decision.verdict == Verdict::kAskLedger) {
    if (!was_answered) co_return std::unexpected(to_refusal(decision));
    // It answered and there was no room: a shard that is late finds each answer too old to go by.
    decision.verdict = Verdict::kRefused;
  }
  co_return *to_outcome(decision, settlement);
}

}  // namespace

std::optional<Outcome<void>> charge_address_at_once(Services& services, Generation& generation,
                                                    const Ipv6Bytes& address,
                                                    Settlement& settlement) noexcept {
  return to_outcome(services.limiter.admit_address(generation.config, address, services.ring.now(),
                                                   settlement.address_reservation()),
                    settlement);
}

Task<Outcome<void>> charge_address_by_ledger(Services& services, Generation& generation,
                                             Ipv6Bytes address, Settlement& settlement,
                                             http::ResponseSink& client) {
  return await_ledger(
      services, generation, settlement, client, [&services, &generation, &settlement, address] {
        return services.limiter.admit_address(generation.config, address, services.ring.now(),
                                              settlement.address_reservation());
      });
}

bool has_limits(const Generation& generation, const Identity& identity) noexcept {
  if (!generation.subjects.is_empty()) return true;
  return identity.caller != nullptr && !identity.caller->limits().is_empty();
}

limit::Demand demand_of(const Generation& generation, const Admission& admission) noexcept {
  using config::Reserve;
  const config::Model& model = generation.config.model(admission.model);
  limit::Demand demand{.input_tokens = to_amount(admission.prompt_tokens)};
  const std::optional<uint64_t> client_max = most_of_all_choices(admission.envelope);
  for (const Reserve reserve : {Reserve::kMax, Reserve::kP95, Reserve::kNone}) {
    const auto i = static_cast<size_t>(reserve);
    demand.output_tokens[i] =
        to_amount(usage::reserve_output(reserve, client_max, model.max_output_tokens,
                                        generation.flows[admission.model.value]->outputs));
    demand.micro_dollars[i] = dearest(model, demand.input_tokens, demand.output_tokens[i]);
  }
  return demand;
}

std::optional<Outcome<void>> charge_at_once(Services& services, Generation& generation,
                                            const Admission& admission,
                                            Settlement& settlement) noexcept {
  return to_outcome(
      services.limiter.admit(generation.subjects, party_of(admission), admission.demand,
                             services.ring.now(), settlement.reservation()),
      settlement);
}

Task<Outcome<void>> charge_by_ledger(Services& services, Generation& generation,
                                     const Admission& admission, Settlement& settlement,
                                     http::ResponseSink& client) {
  return await_ledger(
      services, generation, settlement, client, [&services, &generation, &admission, &settlement] {
        return services.limiter.admit(generation.subjects, party_of(admission), admission.demand,
                                      services.ring.now(), settlement.reservation());
      });
}

}  // namespace sluice::exchange
