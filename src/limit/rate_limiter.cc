#include <sluice/limit/rate_limiter.h>

#include <algorithm>

#include <sluice/base/assert.h>

namespace sluice::limit {
namespace {

using Verdict = Decision::Verdict;

bool is_of_tokens(config::LimitMeasure measure) noexcept {
  return measure == config::LimitMeasure::kTokens ||
         measure == config::LimitMeasure::kInputTokens ||
         measure == config::LimitMeasure::kOutputTokens;
}

// Taken one by one from the bank: nothing of it may lie idle in a lease.
bool is_unleased(const BankTerms& terms) noexcept {
  return terms.kind == BankTerms::Kind::kConcurrent || terms.kind == BankTerms::Kind::kSpaced;
}

}  // namespace

int64_t Demand::of(const config::LimitRule& rule) const noexcept {
  const auto reserve = static_cast<size_t>(rule.reserve);
  int64_t amount = 1;
  switch (rule.measure) {
    case config::LimitMeasure::kRequests:
    case config::LimitMeasure::kConcurrency: break;
    case config::LimitMeasure::kTokens: amount = input_tokens + output_tokens[reserve]; break;
    case config::LimitMeasure::kInputTokens: amount = input_tokens; break;
    case config::LimitMeasure::kOutputTokens: amount = output_tokens[reserve]; break;
    case config::LimitMeasure::kMicroDollars: amount = micro_dollars[reserve]; break;
  }
  return std::max(int64_t{1}, amount);
}

int64_t Use::of(const config::LimitRule& rule) const noexcept {
  switch (rule.measure) {
    case config::LimitMeasure::kTokens: return input_tokens + output_tokens;
    case config::LimitMeasure::kInputTokens: return input_tokens;
    case config::LimitMeasure::kOutputTokens: return output_tokens;
    case config::LimitMeasure::kMicroDollars: return micro_dollars;
    default: return 1;
  }
}

// Charges rule after rule and gives all back when one refuses.
class RateLimiter::Charging {
 public:
  Charging(RateLimiter& limiter, const Demand& demand, MonoTime now,
           Reservation& reservation) noexcept
      : limiter_(limiter),
        demand_(demand),
        now_(limiter.banks_.clock().at(now)),
        reservation_(reservation) {
    SLUICE_ASSERT(reservation.is_empty());
    limiter.last_now_ = now_;
  }

  // False once one has refused.
  bool charge(Subject& subject, const config::LimitRule& rule, const BankTerms& terms) noexcept {
    Lease* const lease = limiter_.find_lease(subject, terms);
    if (lease == nullptr) {
      // A flood of addresses must not lock out the next one.
      if (rule.scope == config::LimitScope::kIp) return true;
      return refuse({.verdict = Verdict::kNoRoom, .rule = &rule});
    }
    Reservation::Charge* const next = next_charge();
    if (next == nullptr) return refuse({.verdict = Verdict::kNoRoom, .rule = &rule});
    *next = {.lease = lease, .rule = &rule};
    const int64_t amount = demand_.of(rule);
    if (limiter_.spend(*lease, amount, now_, next->taking)) {
      ++last_->count;
      ++count_;
      ++lease->charges;
      return true;
    }
    if (!rule.enforce) {
      decision_.dry = &rule;
      decision_.is_first_dry = lease->bank->note_refusal(now_);
      return true;
    }
    return refuse(*lease, rule, terms, amount);
  }

  [[nodiscard]] Decision finish() noexcept {
    if (decision_.verdict != Verdict::kGranted) limiter_.cancel(reservation_);
    return decision_;
  }

 private:
  // Null when there may be no more. The loader sees to it for keys of the configuration, nobody for
  // those from elsewhere.
  [[nodiscard]] Reservation::Charge* next_charge() noexcept {
    if (count_ == config::kMatchingLimitsMost) return nullptr;
    if (last_ == nullptr || last_->count == last_->list.size()) {
      Reservation::Charges* const more = limiter_.take_charges();
      (last_ == nullptr ? reservation_.charges_ : last_->next) = more;
      reservation_.limiter_ = &limiter_;
      last_ = more;
    }
    return &last_->list[last_->count];
  }

  bool refuse(const Decision& decision) noexcept {
    const Decision before = std::exchange(decision_, decision);
    decision_.dry = before.dry;
    decision_.is_first_dry = before.is_first_dry;
    return false;
  }

  bool refuse(Lease& lease, const config::LimitRule& rule, const BankTerms& terms,
              int64_t amount) noexcept {
    Bank& bank = *lease.bank;
    if (amount > terms.most) {
      return refuse({.verdict = Verdict::kRefused,
                     .rule = &rule,
                     .is_too_large = true,
                     .view = {terms.most, bank.room(now_), bank.time_until_whole(now_)}});
    }
    if (limiter_.banks_.ledger() == BankTable::Ledger::kUp && bank.closed_until() <= now_) {
      bank.ask(amount);
      limiter_.banks_.mark(bank);
      limiter_.banks_.ask(limiter_.shard_);
      return refuse(full(Verdict::kAskLedger, bank, rule, terms, amount));
    }
    (void)bank.note_refusal(now_);
    return refuse(full(Verdict::kRefused, bank, rule, terms, amount));
  }

  [[nodiscard]] Decision full(Verdict verdict, Bank& bank, const config::LimitRule& rule,
                              const BankTerms& terms, int64_t amount) const noexcept {
    return {.verdict = verdict,
            .rule = &rule,
            .retry_after = bank.time_until(amount, now_),
            .view = {terms.most, bank.room(now_), bank.time_until_whole(now_)}};
  }

  RateLimiter& limiter_;
  const Demand& demand_;
  LimitTime now_;
  Reservation& reservation_;
  Decision decision_;
  Reservation::Charges* last_ = nullptr;  // Of the reservation's.
  uint32_t count_ = 0;                    // In all of them.
};

RateLimiter::~RateLimiter() {
  for (Lease& lease : storage_) {
    if (lease.bank == nullptr) continue;
    lease.bank->give_back(lease.held, last_now_);
    banks_.close(*lease.bank);
  }
}

// --- admission ---------------------------------------------------------------------------------

Decision RateLimiter::admit(SubjectTable& subjects, const Party& party, const Demand& demand,
                            MonoTime now, Reservation& reservation) noexcept {
  const config::Snapshot& config = subjects.config();
  Charging charging(*this, demand, now, reservation);
  const auto charge_all = [&](std::span<Subject> part) {
    return std::ranges::all_of(part, [&](Subject& subject) {
      return charging.charge(subject, config.limit_rules[subject.rule.value],
                             subjects.terms(subject.rule));
    });
  };
  const auto charge_tenants = [&] {
    for (TenantId tenant = party.tenant; tenant.is_valid();
         tenant = config.tenants[tenant.value].parent) {
      if (!charge_all(subjects.of_tenant(tenant))) return false;
    }
    return true;
  };
  const auto charge_key_model = [&] {
    if (!subjects.has_key_models() || !party.key.is_valid()) return true;
    return std::ranges::all_of(config.key(party.key).model_limits, [&](const auto& limit) {
      if (limit.model.is_valid() && limit.model != party.model) return true;
      Subject subject = subjects.of_key_model(limit.limit, party.key, party.model);
      return charging.charge(subject, config.limit_rules[limit.limit.value],
                             subjects.terms(limit.limit));
    });
  };
  const auto charge_own = [&] {
    if (party.own == nullptr) return true;
    for (OwnSubjects::Item& item : party.own->items()) {
      if (!charging.charge(item.subject, item.rule, item.terms)) return false;
    }
    for (OwnSubjects::ModelItem& item : party.own->model_items()) {
      if (item.model != party.model) continue;
      if (!charging.charge(item.subject, item.rule, item.terms)) return false;
    }
    return true;
  };
  (void)(charge_all(subjects.of_key(party.key)) && charge_key_model() && charge_own() &&
         charge_tenants() && charge_all(subjects.of_model(party.model)) &&
         charge_all(subjects.of_gateway()));
  return charging.finish();
}

Decision RateLimiter::admit_address(const config::Snapshot& config, const AddressBytes& address,
                                    MonoTime now, Reservation& reservation) noexcept {
  const Demand demand;
  Charging charging(*this, demand, now, reservation);
  for (const LimitId id : config.ip_limits) {
    const config::LimitRule& rule = config.limit_rules[id.value];
    Subject subject{.rule = id, .key = key_of(rule, address)};
    if (!charging.charge(subject, rule, terms_of(rule))) break;
  }
  return charging.finish();
}

Decision RateLimiter::admit_upstream(SubjectTable& subjects, UpstreamId upstream,
                                     const Demand& demand, MonoTime now,
                                     Reservation& reservation) noexcept {
  Charging charging(*this, demand, now, reservation);
  for (Subject& subject : subjects.of_upstream(upstream)) {
    const config::LimitRule& rule = subjects.config().limit_rules[subject.rule.value];
    if (!charging.charge(subject, rule, subjects.terms(subject.rule))) break;
  }
  return charging.finish();
}

// --- settling ----------------------------------------------------------------------------------

template <typename Act>
void RateLimiter::for_each_charge(const Reservation& reservation, Act act) noexcept {
  for (Reservation::Charges* some = reservation.charges_; some != nullptr; some = some->next) {
    for (uint32_t i = 0; i < some->count; ++i) act(some->list[i]);
  }
}

bool RateLimiter::count(Lease& lease, int64_t amount, LimitTime now) noexcept {
  Taking taking;
  if (spend(lease, amount, now, taking)) return true;
  lease.bank->owe(amount, now);
  banks_.mark(*lease.bank);
  return false;
}

bool RateLimiter::advance(Reservation& reservation, const Use& use, MonoTime now) noexcept {
  if (reservation.charges_ == nullptr) return false;
  const LimitTime time = last_now_ = banks_.clock().at(now);
  bool must_stop = false;
  for_each_charge(reservation, [&](Reservation::Charge& charge) {
    const int64_t more = use.of(*charge.rule) - charge.taking.amount - charge.beyond;
    if (more <= 0) return;
    const bool has_room = count(*charge.lease, more, time);
    charge.beyond += more;
    must_stop |= !has_room && charge.rule->stops_streams && charge.rule->enforce;
  });
  return must_stop;
}

void RateLimiter::settle(Reservation& reservation, const Use& use, MonoTime now) noexcept {
  if (reservation.charges_ == nullptr) return;
  const LimitTime time = last_now_ = banks_.clock().at(now);
  for_each_charge(reservation, [&](const Reservation::Charge& charge) {
    Taking unused = charge.taking;
    if (charge.rule->measure != config::LimitMeasure::kConcurrency) {
      const int64_t more = use.of(*charge.rule) - charge.taking.amount - charge.beyond;
      if (more > 0) (void)count(*charge.lease, more, time);
      unused.amount = std::clamp(-more, int64_t{0}, charge.taking.amount);
    }
    give_back(*charge.lease, unused, time);
  });
  release(reservation);
}

void RateLimiter::cancel(Reservation& reservation) noexcept {
  if (reservation.charges_ == nullptr) return;
  for_each_charge(reservation, [this](const Reservation::Charge& charge) {
    give_back(*charge.lease, charge.taking, last_now_);
  });
  release(reservation);
}

void RateLimiter::release(Reservation& reservation) noexcept {
  for_each_charge(reservation, [this](const Reservation::Charge& charge) {
    Lease& lease = *charge.lease;
    --lease.charges;
    // Looked at once more, and freed when it stays unused.
    if (!lease.is_linked()) listed_.push_back(lease);
  });
  while (reservation.charges_ != nullptr) {
    Reservation::Charges* const next = reservation.charges_->next;
    reservation.charges_->next = std::exchange(free_charges_, reservation.charges_);
    reservation.charges_ = next;
  }
}

Reservation::Charges* RateLimiter::take_charges() noexcept {
  if (free_charges_ == nullptr) {
    charge_storage_.emplace_back();
    return &charge_storage_.back();
  }
  Reservation::Charges* const charges = free_charges_;
  free_charges_ = std::exchange(charges->next, nullptr);
  charges->count = 0;
  return charges;
}

RateLimiter::Views RateLimiter::views(const Reservation& reservation, MonoTime now) noexcept {
  Views views;
  if (reservation.charges_ == nullptr) return views;
  const LimitTime time = banks_.clock().at(now);
  for_each_charge(reservation, [&](const Reservation::Charge& charge) {
    const bool is_of_requests = charge.rule->measure == config::LimitMeasure::kRequests;
    if (!charge.rule->enforce || (!is_of_requests && !is_of_tokens(charge.rule->measure))) return;
    const auto most = static_cast<int64_t>(charge.rule->most);
    const int64_t held = time < charge.lease->held.dies_at ? charge.lease->held.amount : 0;
    const LimitView view{most, std::min(most, charge.lease->bank->room(time) + held),
                         charge.lease->bank->time_until_whole(time)};
    std::optional<LimitView>& place = is_of_requests ? views.requests : views.tokens;
    if (!place || static_cast<double>(view.remaining) * static_cast<double>(place->most) <
                      static_cast<double>(place->remaining) * static_cast<double>(view.most)) {
      place = view;
    }
  });
  return views;
}

// --- leases ------------------------------------------------------------------------------------

Lease* RateLimiter::find_lease(Subject& subject, const BankTerms& terms) noexcept {
  Lease* lease = subject.lease;
  if (lease == nullptr || lease->key != subject.key) {
    const auto found = leases_.find({subject.key.rule, subject.key.subject});
    lease = found != leases_.end() ? found->second : open_lease(subject.key, terms);
    subject.lease = lease;
    if (lease == nullptr) return nullptr;
    // A snapshot that is new here may have new terms.
    if (lease->bank->terms() != terms) lease->bank->set_terms(terms);
  }
  return lease;
}

Lease* RateLimiter::open_lease(const BankKey& key, const BankTerms& terms) noexcept {
  Bank* const bank = banks_.open(key, terms);
  if (bank == nullptr) return nullptr;
  if (free_leases_.empty()) {
    storage_.emplace_back();
    free_leases_.push_back(&storage_.back());
  }
  Lease* const lease = free_leases_.back();
  free_leases_.pop_back();
  lease->key = key;
  lease->bank = bank;
  lease->held = {};
  lease->size = 1;
  lease->refilled_at = {};
  lease->is_used = true;
  leases_.emplace(std::pair(key.rule, key.subject), lease);
  listed_.push_back(*lease);
  return lease;
}

void RateLimiter::free_lease(Lease& lease) noexcept {
  leases_.erase({lease.key.rule, lease.key.subject});
  banks_.close(*lease.bank);
  lease.bank = nullptr;
  lease.key = {};
  lease.unlink();
  free_leases_.push_back(&lease);
}

bool RateLimiter::spend(Lease& lease, int64_t amount, LimitTime now, Taking& taking) noexcept {
  lease.is_used = true;
  if (lease.held.amount < amount || now >= lease.held.dies_at) {
    return refill(lease, amount, now, taking);
  }
  lease.held.amount -= amount;
  taking = {.amount = amount, .slot = lease.held.slot, .dies_at = lease.held.dies_at};
  return true;
}

bool RateLimiter::refill(Lease& lease, int64_t amount, LimitTime now, Taking& taking) noexcept {
  Bank& bank = *lease.bank;
  bank.give_back(std::exchange(lease.held, {}), now);
  banks_.mark(bank);
  const Taking taken = bank.take(next_size(lease, amount, now), amount, now, banks_.seat());
  if (taken.amount == 0) return false;
  taking = taken;
  taking.amount = amount;
  lease.held = taken;
  lease.held.amount -= amount;
  if (!lease.is_linked()) listed_.push_back(lease);
  return true;
}

// A lease grows while it is spent soon, and is never more than its part of a hundredth of the
// limit, or of a quarter of what is left: so that what lies idle in all other shards when one is
// refused is less than a hundredth.
int64_t RateLimiter::next_size(Lease& lease, int64_t amount, LimitTime now) const noexcept {
  Bank& bank = *lease.bank;
  if (is_unleased(bank.terms())) return amount;
  const bool is_soon = now - lease.refilled_at < kSoon;
  lease.refilled_at = now;
  lease.size = is_soon ? std::min(lease.size * 2, kSizeMost) : std::max(lease.size / 2, int64_t{1});
  const int64_t part =
      std::min(bank.most() / (100 * int64_t{shards_}), bank.room(now) / (4 * int64_t{shards_}));
  return std::max(amount, std::min(lease.size * amount, part));
}

void RateLimiter::give_back(Lease& lease, const Taking& taking, LimitTime now) noexcept {
  if (taking.amount == 0) return;
  const bool is_same = lease.held.amount > 0 && lease.held.slot == taking.slot &&
                       lease.held.dies_at == taking.dies_at && now < taking.dies_at;
  if (is_same) {
    lease.held.amount += taking.amount;
  } else {
    lease.bank->give_back(taking, now);
  }
}

void RateLimiter::sweep(MonoTime now) noexcept {
  const LimitTime time = last_now_ = banks_.clock().at(now);
  ++sweeps_;
  for (uint32_t i = 0; i < kSweepMost && !listed_.empty(); ++i) {
    Lease& lease = listed_.front();
    if (lease.seen_in == sweeps_) break;
    lease.seen_in = sweeps_;
    lease.unlink();
    if (std::exchange(lease.is_used, false)) {
      listed_.push_back(lease);
      continue;
    }
    lease.bank->give_back(std::exchange(lease.held, {}), time);
    if (lease.charges == 0) free_lease(lease);
  }
}

}  // namespace sluice::limit
