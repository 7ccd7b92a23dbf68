#include "search.h"

#include <algorithm>

#include <sluice/route/affinity_key.h>

namespace sluice::exchange {

namespace {

using resilience::Admits;

// When to come back to a deployment whose probe is under way: nobody knows when it ends.
constexpr Duration kProbeTakes = seconds(1);

MonoTime back_at(const resilience::DeploymentHealth& health, MonoTime now) noexcept {
  return health.admits(now) == Admits::kProbe ? now + kProbeTakes : health.usable_at(now);
}

// Of IPv6 what belongs to one site, as for limits: the rest changes by itself.
uint64_t site_key(const Ipv6Bytes& client) noexcept {
  constexpr Ipv6Bytes kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  const bool is_ipv4 = std::equal(client.begin(), client.begin() + 12, kMapped.begin());
  const std::string_view bytes(reinterpret_cast<const char*>(client.data()), client.size());
  return route::stable_hash(is_ipv4 ? bytes : bytes.substr(0, 8));
}

// Long prompts that begin alike belong together.
uint64_t find_affinity_key(const config::Affinity& affinity, const http::RequestHead& head,
                           const Admission& admission,
                           const std::optional<Ipv6Bytes>& client) noexcept {
  const json::Envelope& envelope = admission.envelope;
  const std::string_view prompt =
      admission.body.substr(envelope.prompt.offset, envelope.prompt.length);
  const uint64_t key =
      route::affinity_key(head.headers.find(affinity.header), envelope.prompt_cache_key,
                          envelope.user, prompt.substr(0, affinity.prompt_bytes));
  return key == 0 && affinity.client_address && client ? site_key(*client) : key;
}

}  // namespace

Search::Search(Services& services, Generation& generation, Endpoint endpoint,
               const http::RequestHead& head, const Admission& admission,
               Settlement& settlement) noexcept
    : services_(services),
      generation_(generation),
      endpoint_(endpoint),
      head_(head),
      admission_(admission),
      settlement_(settlement) {
  retries = {.attempts_made = 0, .attempts_max = generation.config.limits.attempts};
  turn_to(admission.model);
}

void Search::turn_to(ModelId model) noexcept {
  model_ = model;
  flow().budget.note_request(services_.ring.now());
  if (generation_.config.model(model).hedge) flow().hedge->note_request();
  const config::Model& configured = generation_.config.model(model);
  if (configured.strategy == config::StrategyKind::kAffinity) {
    affinity_key_ =
        find_affinity_key(configured.affinity, head_, admission_, settlement_.client_address());
  }
  begin_round();
  has_candidates_ = has_candidates_ || !open_.empty();
}

void Search::begin_round() noexcept {
  round_began_with_ = retries.attempts_made;
  open_ = generation_.fit(model_, endpoint_);
  if (generation_.router.has_tags(model_)) {
    const std::string& wished = admission_.wishes.tags;
    open_ = open_ & generation_.router.routes_for_tags(
                        model_, wished.empty() ? head_.headers.find(http::HeaderName::kXSluiceTags)
                                               : std::string_view(wished));
  }
}

bool Search::begin_another_round() noexcept {
  if (!may_repeat_ || retries.attempts_made == round_began_with_ || !has_attempts_left()) {
    return false;
  }
  begin_round();
  return true;
}

Duration Search::backoff() noexcept {
  return resilience::backoff_before(retries.attempts_made, generation_.config.model(model_).retries,
                                    services_.random.next_u64());
}

void Search::begin_recovery(std::string_view partial) noexcept {
  is_recovery_ = true;
  may_repeat_ = true;
  partial_ = partial;
}

const json::ContinuedPlan* Search::plan_continuation(const json::BodyEdit& edit) noexcept {
  if (partial_.empty()) return nullptr;
  const json::PromptKind kind =
      endpoint_ == Endpoint::kCompletions ? json::PromptKind::kPrompt : json::PromptKind::kMessages;
  continued_ =
      json::plan_continued_body(admission_.body, admission_.envelope, edit, partial_, kind);
  return continued_ ? &*continued_ : nullptr;
}

bool Search::has_more() const noexcept {
  if (!has_attempts_left()) return false;
  return !open_.empty() || has_fallback() || may_repeat_;
}

bool Search::has_fallback() const noexcept {
  return next_fallback_ < generation_.config.model(admission_.model).fallbacks.size();
}

bool Search::end_at_rest() noexcept {
  if (!may_repeat_ || has_fallback()) return false;
  begin_round();
  const MonoTime now = services_.ring.now();
  const config::Model& model = generation_.config.model(model_);
  obstacle_ = Obstacle::kResting;
  usable_at_ = MonoTime::max();
  open_.for_each([&](uint32_t index) {
    const Deployment& deployment = *generation_.deployments[model.routes[index].upstream.value];
    usable_at_ = std::min(usable_at_, back_at(deployment.health, now));
    if (deployment.health.admits(now) == Admits::kYes) obstacle_ = Obstacle::kNone;
  });
  return obstacle_ == Obstacle::kResting;
}

// Another deployment may do better after any failure. The same one hardly when it was too slow, for
// it may be at work still and is paid twice, or when it does not speak the protocol.
void Search::note_failure(const resilience::AttemptEnd& end) noexcept {
  if (!end.error) return settlement_.note_reached();
  switch (end.error->code) {
    case ErrorCode::kUpstreamTls:
    case ErrorCode::kConnectTimeout: break;
    case ErrorCode::kUpstreamConnect: return;
    default: settlement_.note_reached();
  }
  switch (end.error->code) {
    case ErrorCode::kUpstreamConnect:
    case ErrorCode::kUpstreamLost: return;
    default: may_repeat_ = false;
  }
}

bool Search::fall_back() noexcept {
  const config::Snapshot& config = generation_.config;
  const std::vector<ModelId>& fallbacks = config.model(admission_.model).fallbacks;
  while (next_fallback_ < fallbacks.size()) {
    const ModelId next = fallbacks[next_fallback_++];
    if (!admission_.identity.may_use(config, next)) continue;
    release_kept();
    settlement_.model_place().release();
    turn_to(next);
    return true;
  }
  return false;
}

// One place after the other, always in the same order, and what is held is kept while the next is
// waited for: the model's, which concerns nobody else; the deployment's, which is of no use to
// those who lack the process's as well; the process's. If each gave up what another one needs,
// requests could pass places around in a ring and nobody would be served.
Seat Search::take_seat(limit::Place served) noexcept {
  route::RouteSet usable = find_usable();
  // What can serve nobody needs no place.
  if (usable.empty() && obstacle_ != Obstacle::kFull && !kept_.is_held()) return {};
  if (!take_place(generation_.model_places(model_), settlement_.model_place(), served)) {
    return lack(Lacks::kModelPlace);
  }
  PlaceBank* const process = generation_.places.process;
  if (served.is_held() && served.bank() != process) kept_ = std::move(served);
  if (kept_.is_held() && find_served(*kept_.bank()).empty()) {
    // Its deployment rests by now. The place goes to who can use it, and others may be free.
    kept_.release();
    usable = find_usable();
  }
  if (usable.empty() && !kept_.is_held()) return {};
  if (!take_place(process, settlement_.process_place(), served)) {
    return lack(Lacks::kProcessPlace);
  }
  limit::Place place = std::move(kept_);
  if (place.is_held()) {
    Seat seat = take_from(find_served(*place.bank()), place);
    if (seat.is_taken()) return seat;
    place.release();
    usable = find_usable();
  }
  return take_from(usable, place);
}

Seat Search::lack(Lacks lacks) noexcept {
  lacks_ = lacks;
  obstacle_ = Obstacle::kFull;
  return {};
}

Seat Search::take_other_seat() noexcept {
  limit::Place none;
  return take_from(find_usable(), none);
}

bool Search::try_take(PlaceBank& bank) noexcept {
  return !services_.waiting_room.is_wanted(bank) && bank.try_take();
}

bool Search::take_place(PlaceBank* bank, limit::Place& held, limit::Place& served) noexcept {
  if (bank == nullptr || held.is_held()) return true;
  if (served.bank() == bank) {
    held = std::move(served);
    return true;
  }
  if (!try_take(*bank)) return false;
  held = limit::Place(*bank, services_.waiting_room.waker());
  return true;
}

Deadline Search::total() const noexcept {
  const config::Snapshot& config = generation_.config;
  const std::vector<config::Route>& routes = config.model(model_).routes;
  const config::UpstreamTimeouts configured =
      routes.empty() ? config::UpstreamTimeouts{} : routes.front().timeouts;
  return Deadline::after(
      settlement_.began_at(),
      apply_wishes(configured, admission_.timeouts, config.timeout_header_max).total);
}

void Search::describe(InLine& waiting) noexcept {
  waiting.lacks = lacks_;
  waiting.candidates = full_;
  waiting.tenant = admission_.identity.share();
  waiting.weight = admission_.identity.principal.weight;
  waiting.priority = admission_.priority;
  waiting.tokens = admission_.expected_tokens;
  // It would keep other models from being served. See take_seat() for the others.
  settlement_.process_place().release();
  if (lacks_ == Lacks::kModelPlace) kept_.release();
}

bool Search::may_use(UpstreamId upstream, MonoTime now) noexcept {
  Deployment& deployment = *generation_.deployments[upstream.value];
  if (deployment.health.is_untroubled()) return true;
  const Admits admits = deployment.health.admits(now);
  const PlaceBank* const probes = generation_.probe_places(upstream);
  const bool has_probe_place = probes == nullptr || !probes->is_full();
  if (admits == Admits::kYes || (admits == Admits::kProbe && has_probe_place)) return true;
  usable_at_ = std::min(usable_at_, back_at(deployment.health, now));
  return false;
}

route::RouteSet Search::find_served(const PlaceBank& bank) noexcept {
  const MonoTime now = services_.ring.now();
  const config::Model& model = generation_.config.model(model_);
  route::RouteSet served;
  open_.for_each([&](uint32_t index) {
    const UpstreamId upstream = model.routes[index].upstream;
    if (generation_.deployment_places(upstream) == &bank && may_use(upstream, now)) {
      served.add(index);
    }
  });
  return served;
}

route::RouteSet Search::find_usable() noexcept {
  obstacle_ = Obstacle::kNone;
  const MonoTime now = services_.ring.now();
  const config::Model& model = generation_.config.model(model_);
  route::RouteSet usable;
  full_ = {};
  usable_at_ = MonoTime::max();
  bool some_rest = false;
  open_.for_each([&](uint32_t index) {
    const UpstreamId upstream = model.routes[index].upstream;
    const PlaceBank* const places = generation_.deployment_places(upstream);
    if (!may_use(upstream, now)) {
      some_rest = true;
    } else if (places != nullptr &&
               (places->is_full() || services_.waiting_room.is_wanted(*places))) {
      full_.add(index);
    } else {
      usable.add(index);
    }
  });
  if (usable.empty()) {
    lacks_ = Lacks::kDeploymentPlace;
    obstacle_ = !full_.empty() ? Obstacle::kFull
                : some_rest    ? Obstacle::kResting
                               : Obstacle::kSpent;
  }
  return usable;
}

route::Choice Search::choice(route::RouteSet usable) noexcept {
  return {.now = services_.ring.now(),
          .random = usable.count() > 1 ? services_.random.next_u64() : 0,
          .affinity_key = affinity_key_,
          .is_stream = admission_.envelope.stream};
}

bool Search::charge(UpstreamId upstream, limit::Reservation& charged) noexcept {
  if (!generation_.subjects.has_upstream(upstream)) return true;
  const MonoTime now = services_.ring.now();
  const limit::Decision decision = services_.limiter.admit_upstream(
      generation_.subjects, upstream, admission_.demand, now, charged);
  settlement_.note_limits(decision);
  if (decision.verdict == limit::Decision::Verdict::kGranted) return true;
  if (decision.verdict == limit::Decision::Verdict::kAskLedger) {
    // Shorter than every other wait, if no other deployment serves at once.
    obstacle_ = Obstacle::kAsking;
  } else if (obstacle_ == Obstacle::kNone) {
    obstacle_ = Obstacle::kLimited;
  }
  usable_at_ = std::min(usable_at_, now + decision.retry_after);
  return false;
}

Seat Search::take_from(route::RouteSet usable, limit::Place& place) noexcept {
  const config::Model& model = generation_.config.model(model_);
  limit::ShardWaker& waker = services_.waiting_room.waker();
  while (!usable.empty()) {
    const std::optional<route::Pick> pick = generation_.router.pick(model_, usable, choice(usable));
    if (!pick) break;
    usable.remove(pick->index);
    const UpstreamId upstream = model.routes[pick->index].upstream;
    Deployment& deployment = *generation_.deployments[upstream.value];
    limit::Reservation charged;
    if (!charge(upstream, charged)) continue;
    limit::Place probe;
    const bool is_probe = deployment.health.admits(services_.ring.now()) == Admits::kProbe;
    PlaceBank* const probes = generation_.probe_places(upstream);
    if (is_probe && probes != nullptr) {
      if (!probes->try_take()) {
        usable_at_ = std::min(usable_at_, services_.ring.now() + kProbeTakes);
        continue;
      }
      probe = limit::Place(*probes, waker);
    }
    PlaceBank* const places = generation_.deployment_places(upstream);
    if (!place.is_held() && places != nullptr) {
      if (!try_take(*places)) {
        full_.add(pick->index);
        continue;
      }
      place = limit::Place(*places, waker);
    }
    open_.remove(pick->index);
    ++retries.attempts_made;
    obstacle_ = Obstacle::kNone;
    return Seat(generation_, model_, pick->index, std::move(place), std::move(probe),
                std::move(charged), is_probe);
  }
  // What is left was taken by another shard in this instant.
  if (obstacle_ == Obstacle::kNone || (obstacle_ == Obstacle::kLimited && !full_.empty())) {
    lacks_ = Lacks::kDeploymentPlace;
    obstacle_ = full_.empty() ? Obstacle::kResting : Obstacle::kFull;
  }
  return {};
}

}  // namespace sluice::exchange
