// What limits have to say: those of addresses before phase 2, the others at the end of phase 3.
#include <algorithm>
#include <cmath>

#include "ledger_wait.h"
#include "phases.h"

namespace sluice::exchange {
namespace {

using Verdict = limit::Decision::Verdict;

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

std::optional<Outcome<void>> to_outcome(limit::Decision decision, Patience patience,
                                        Settlement& settlement) noexcept {
  if (decision.verdict == Verdict::kAskLedger && patience == Patience::kSpent) {
    decision.verdict = Verdict::kRefused;
  }
  settlement.note_limits(decision);
  switch (decision.verdict) {
    case Verdict::kGranted: return Outcome<void>{};
    case Verdict::kAskLedger: return std::nullopt;
    default: return std::unexpected(to_refusal(decision));
  }
}

std::optional<Outcome<void>> charge_address(Services& services, Generation& generation,
                                            const Ipv6Bytes& address, Settlement& settlement,
                                            Patience patience) noexcept {
  return to_outcome(services.limiter.admit_address(generation.config, address, services.ring.now(),
                                                   settlement.address_reservation()),
                    patience, settlement);
}

std::optional<Outcome<void>> charge(Services& services, Generation& generation,
                                    const Admission& admission, Settlement& settlement,
                                    Patience patience) noexcept {
  return to_outcome(
      services.limiter.admit(generation.subjects, party_of(admission), admission.demand,
                             services.ring.now(), settlement.reservation()),
      patience, settlement);
}

}  // namespace

std::optional<Outcome<void>> charge_address_at_once(Services& services, Generation& generation,
                                                    const Ipv6Bytes& address,
                                                    Settlement& settlement) noexcept {
  return charge_address(services, generation, address, settlement, Patience::kLeft);
}

Task<Outcome<void>> charge_address_by_ledger(Services& services, Generation& generation,
                                             Ipv6Bytes address, Settlement& settlement,
                                             http::ResponseSink& client) {
  return await_ledger<void>(services, generation, client,
                            [&services, &generation, &settlement, address](Patience patience) {
                              return charge_address(services, generation, address, settlement,
                                                    patience);
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
  return charge(services, generation, admission, settlement, Patience::kLeft);
}

Task<Outcome<void>> charge_by_ledger(Services& services, Generation& generation,
                                     const Admission& admission, Settlement& settlement,
                                     http::ResponseSink& client) {
  return await_ledger<void>(services, generation, client,
                            [&services, &generation, &admission, &settlement](Patience patience) {
                              return charge(services, generation, admission, settlement, patience);
                            });
}

}  // namespace sluice::exchange
