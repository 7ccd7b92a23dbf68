#include <sluice/control/ledger_book.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ledger_hot.h"

namespace sluice::control {
namespace {

// The ledger grants one gateway at most this part of a limit at a time, shared by all of them.
constexpr int64_t kLeasedPart = 100;

using limit::LimitTime;
using Kind = limit::BankTerms::Kind;

bool is_empty(const LedgerBook::Shards& shards) noexcept {
  return std::ranges::all_of(shards, [](uint64_t word) { return word == 0; });
}

// How long a part that was given back still counts: as long as what was used of it does.
microseconds hold_of(const limit::BankTerms& terms) noexcept {
  switch (terms.kind) {
    case Kind::kConcurrent: return microseconds(0);
    case Kind::kSpaced:
      return std::min(terms.length, terms.length * terms.burst / std::max(int64_t{1}, terms.most)) +
             limit::Bank::kTurnSlack;
    default:
      return terms.length + terms.length / limit::Bank::kSlotsPerLength * 2 +
             limit::Bank::kTurnSlack;
  }
}

}  // namespace

LedgerBook::LedgerBook(Parts parts, std::string_view note) : parts_(parts) {
  if (!note.empty() && restore(note)) return;
  parts_.banks.set_ledger(limit::BankTable::Ledger::kLost, parts_.gateways);
}

LedgerBook::~LedgerBook() {
  for (const auto& hot : hot_) parts_.banks.close(*hot->bank);
}

bool LedgerBook::has_calls_in_flight() const noexcept {
  return std::ranges::any_of(flights_,
                             [](const Flight& f) { return f.stage == Flight::Stage::kSent; });
}

// --- what is hot -------------------------------------------------------------------------------

LedgerBook::Hot* LedgerBook::warm(limit::Bank& bank) {
  if (const auto found = by_bank_.find(&bank); found != by_bank_.end()) {
    Hot& hot = *found->second;
    if (const limit::BankTerms terms = bank.terms(); !(terms == hot.terms)) {
      hot.terms = terms;
      hot.kind = ledger_kind_of(terms);
    }
    return &hot;
  }
  const limit::BankTerms terms = bank.terms();
  limit::Bank* const opened = parts_.banks.open(bank.key(), terms);
  if (opened == nullptr) return nullptr;
  if (const auto found = by_bank_.find(opened); found != by_bank_.end()) {
    parts_.banks.close(*opened);
    return found->second;
  }
  auto hot = std::make_unique<Hot>();
  hot->bank = opened;
  hot->terms = terms;
  hot->kind = ledger_kind_of(terms);
  hot->cap = terms.most;
  Hot* const known = hot.get();
  hot_.push_back(std::move(hot));
  by_bank_.emplace(opened, known);
  return known;
}

void LedgerBook::cool_down() {
  const auto cold_ticks = static_cast<uint32_t>(kColdAfter / parts_.tick) + 1;
  std::erase_if(hot_, [&](const std::unique_ptr<Hot>& hot) {
    if (hot->idle_ticks < cold_ticks || hot->is_due || hot->is_in_flight || hot->asked > 0 ||
        hot->owed > 0 || hot->returned > 0 || hot->credit_slot >= 0 || hot->part > 0 ||
        hot->want > 0 || hot->careful_until != LimitTime{}) {
      return false;
    }
    by_bank_.erase(hot->bank);
    parts_.banks.close(*hot->bank);
    return true;
  });
}

void LedgerBook::look(LimitTime now) {
  // First who waits, then what for: whoever is answered was looked at.
  const Shards asking = parts_.banks.take_asking();
  for (size_t i = 0; i < asking.size(); ++i) waiting_[i] |= asking[i];
  parts_.banks.visit_marked([&](limit::Bank& bank) {
    Hot* const hot = warm(bank);
    if (hot == nullptr) return;
    hot->asked = std::min(limit::Bank::kCreditMost, hot->asked + bank.take_asked());
    if (hot->asked > 0) hot->idle_ticks = 0;
    plan(*hot, now);
  });
  if (state_ != State::kUp) answer_waiting();
}

void LedgerBook::tick(LimitTime now) {
  look(now);
  const double passed = std::chrono::duration<double>(now - ticked_at_).count();
  ticked_at_ = now;
  for (const auto& hot : hot_) {
    const uint64_t taken = hot->bank->taken_ever();
    const auto more = static_cast<double>(taken - std::exchange(hot->taken_before, taken));
    if (passed > 0) hot->rate += (std::min(more / passed, 1e12) - hot->rate) / 4;
    hot->idle_ticks = more > 0 || hot->asked > 0 ? 0 : hot->idle_ticks + 1;
    if (!hot->is_split()) {
      end_careful(*hot, now);
      tend_credit(*hot, now);
      if (is_short(*hot, now)) push_due(*hot);
    }
    plan(*hot, now);
  }
  cool_down();
}

void LedgerBook::note_return(Hot& hot, int64_t amount, int64_t slot) noexcept {
  if (amount <= 0) return;
  // Of two slots the older one is lost, which others then can use a little later.
  if (hot.return_slot != slot) hot.returned = 0;
  hot.returned += amount;
  hot.return_slot = slot;
}

// Credit that is idle or over goes back; where the slot is long, its end is moved on.
void LedgerBook::tend_credit(Hot& hot, LimitTime now) {
  if (hot.credit_slot < 0) return;
  if (now >= hot.credit_end) {
    const LimitTime before = hot.credit_end - milliseconds(2);
    note_return(hot, hot.bank->take_credit(before), hot.credit_slot);
    hot.credit_slot = -1;
  } else if (hot.idle_ticks >= kIdleTicks) {
    note_return(hot, hot.bank->take_credit(now), hot.credit_slot);
    hot.credit_slot = -1;
  } else if (hot.slot_end > hot.credit_end && hot.credit_end - now < kCreditLength / 4) {
    hot.credit_end = std::min(hot.slot_end, now + kCreditLength);
    const int64_t left = hot.bank->take_credit(now);
    if (left > 0) (void)hot.bank->add_credit(left, hot.credit_end);
  }
}

// --- what is due -------------------------------------------------------------------------------

void LedgerBook::push_due(Hot& hot) {
  if (hot.is_due || hot.is_in_flight) return;
  hot.is_due = true;
  due_.push_back(&hot);
}

void LedgerBook::plan(Hot& hot, LimitTime now) {
  if (hot.is_split()) {
    plan_split(hot, now);
  } else {
    plan_granted(hot, now);
  }
}

// What is used until an answer to the next tick's question is here; so little that all that
// gateways hold is a small part of the limit.
int64_t LedgerBook::forecast(const Hot& hot) const noexcept {
  const double ahead = std::chrono::duration<double>(2 * round_trip_ + parts_.tick).count();
  return std::min(static_cast<int64_t>(hot.rate * ahead),
                  hot.terms.most / (2 * Ledger::kHeldPart * hot.gateways));
}

// Once a tick at the most: what is asked for beyond the need lies idle.
bool LedgerBook::is_short(const Hot& hot, LimitTime now) const noexcept {
  return state_ == State::kUp && hot.idle_ticks == 0 && hot.bank->closed_until() <= now &&
         hot.bank->credit(now) < forecast(hot);
}

void LedgerBook::plan_granted(Hot& hot, LimitTime now) {
  if (state_ == State::kUp) hot.owed += hot.bank->take_owed(now);
  if (hot.returned > 0 || hot.owed > 0 || (state_ == State::kUp && hot.asked > 0)) push_due(hot);
}

void LedgerBook::plan_split(Hot& hot, LimitTime now) {
  const bool is_spaced = hot.terms.kind == Kind::kSpaced;
  const int64_t in_use =
      is_spaced
          ? static_cast<int64_t>(hot.rate * std::chrono::duration<double>(hot.terms.length).count())
          : hot.bank->used(now);
  const int64_t roomy = std::min(hot.terms.most, in_use + in_use / 4 + 1);
  const bool may_shrink = now - hot.shrunk_at >= hold_of(hot.terms) + kBeat;
  const auto idle_ticks = static_cast<uint32_t>(kPartIdle / parts_.tick);
  if (hot.idle_ticks >= idle_ticks && hot.bank->used(now) == 0) {
    hot.want = 0;
  } else if (hot.part > hot.cap && may_shrink) {
    hot.want = hot.cap;
  } else if (hot.asked > 0) {
    const int64_t first = hot.terms.most / (2 * std::max(1u, parts_.gateways));
    hot.want =
        std::min(hot.terms.most, std::max(2 * std::max(hot.part, in_use) + hot.asked, first));
  } else if (hot.part > 2 * roomy && may_shrink && now - hot.grown_at >= kBeat) {
    hot.want = roomy;
  } else {
    hot.want = hot.part;
  }
  const bool is_contended = hot.cap < hot.terms.most && hot.part > 0;
  const microseconds beat = is_contended ? kContendedBeat : kBeat;
  const bool is_held = hot.part > 0 || hot.bank->used(now) > 0;
  if (hot.asked > 0 || hot.want != hot.part || (is_held && now - hot.part_at >= beat)) {
    push_due(hot);
  }
}

// --- asking ------------------------------------------------------------------------------------

bool LedgerBook::fill(Hot& hot, LimitTime now, LedgerAsk& ask) {
  ask = {
      .key = hot.bank->key(), .kind = hot.kind, .most = hot.terms.most, .length = hot.terms.length};
  if (hot.is_split()) {
    fill_split(hot, now, ask);
    return true;
  }
  if (state_ == State::kUp) {
    hot.owed += hot.bank->take_owed(now);
    const int64_t wanted = forecast(hot);
    const int64_t credit = hot.bank->credit(now);
    if (hot.asked > 0) {
      ask.least = std::exchange(hot.asked, 0);
      ask.want = std::max(ask.least, 2 * wanted);
    } else if (credit < wanted && hot.idle_ticks == 0) {
      ask.want = std::max(int64_t{1}, 2 * wanted - credit);
    }
  } else {
    hot.asked = 0;
  }
  ask.returned = std::exchange(hot.returned, 0);
  ask.return_slot = hot.return_slot;
  ask.owed = std::exchange(hot.owed, 0);
  return ask.want > 0 || ask.returned > 0 || ask.owed > 0;
}

void LedgerBook::fill_split(Hot& hot, LimitTime now, LedgerAsk& ask) {
  ask.length = hold_of(hot.terms);
  hot.asked = 0;
  if (hot.want < hot.part) {
    // Given up here before anybody else can have it.
    if (state_ == State::kUp) hot.bank->set_share(hot.want);
    hot.part = hot.want;
    hot.shrunk_at = now;
  }
  ask.want = hot.want;
  ask.least = hot.terms.kind == Kind::kConcurrent ? hot.bank->used(now) : 0;
}

const LedgerCall* LedgerBook::next_call(LimitTime now) {
  Flight* free = nullptr;
  const bool is_up = state_ == State::kUp;
  for (Flight& flight : flights_) {
    if (flight.stage == Flight::Stage::kSent && !is_up) return nullptr;
  }
  if (!is_up && now < next_greeting_) return nullptr;
  for (Flight& flight : flights_) {
    if (flight.stage == Flight::Stage::kUnanswered) {
      if (now - flight.first_sent > kResendMost) give_up(flight);
    }
    if (flight.stage == Flight::Stage::kUnanswered) {
      flight.stage = Flight::Stage::kSent;
      flight.sent = now;
      if (!is_up) next_greeting_ = now + kProbeGap;
      return &flight.call;
    }
    if (flight.stage == Flight::Stage::kFree && free == nullptr) free = &flight;
  }
  const bool greets = now >= next_greeting_;
  if (free == nullptr || (due_.empty() && !greets)) return nullptr;
  LedgerCall& call = free->call;
  call.lane = static_cast<uint32_t>(free - flights_.data());
  call.batch = next_batch_++;
  call.since = since_;
  call.greets_all = greets;
  while (!due_.empty() && call.asks.size() < Ledger::kAsksMost) {
    Hot& hot = *due_.front();
    due_.pop_front();
    hot.is_due = false;
    LedgerAsk ask;
    if (!fill(hot, now, ask)) continue;
    hot.is_in_flight = true;
    call.asks.push_back(ask);
    free->subjects.push_back(&hot);
  }
  if (call.asks.empty() && !greets) return nullptr;
  if (greets) next_greeting_ = now + (is_up ? kBeat : kProbeGap);
  figures_.asks += call.asks.size();
  free->stage = Flight::Stage::kSent;
  free->first_sent = free->sent = now;
  return &call;
}

// --- answers -----------------------------------------------------------------------------------

void LedgerBook::on_reply(uint32_t lane, const LedgerReply& reply, LimitTime now) {
  Flight& flight = flights_[lane];
  const LimitTime sent = flight.sent;
  if (reply.is_whole()) round_trip_ = (round_trip_ * 7 + (now - sent)) / 8;
  note_buckets(flight, reply, now);
  for (size_t i = 0; i < flight.subjects.size(); ++i) {
    if (!reply.answers[i].is_answered) continue;
    Hot& hot = *flight.subjects[i];
    hot.is_in_flight = false;
    note_answer(hot, flight.call.asks[i], reply.answers[i], sent, now);
  }
  const bool is_whole = reply.is_whole();
  const bool greeted = flight.call.greets_all &&
                       std::ranges::all_of(reply.buckets, [](auto& b) { return b.is_answered; });
  const bool is_missing = !is_whole || (flight.call.greets_all && !greeted);
  if (is_whole) {
    const std::vector<Hot*> subjects = std::move(flight.subjects);
    free_flight(flight);
    for (Hot* const hot : subjects) plan(*hot, now);
  } else {
    keep_unanswered(flight, reply);
  }
  const bool learns =
      std::ranges::any_of(learning_until_, [now](LimitTime until) { return until > now; });
  if (is_missing) {
    lose(State::kLost, now);
  } else if (learns) {
    lose(State::kLearning, now);
  } else if (state_ != State::kUp) {
    next_greeting_ = now;
    if (!is_collected_) {
      collect(now);
    } else if (greeted && std::ranges::none_of(due_, [](Hot* hot) { return hot->owed > 0; })) {
      come_back(now);
    }
  }
  answer_waiting();
}

void LedgerBook::on_loss(uint32_t lane, LimitTime now) {
  Flight& flight = flights_[lane];
  if (flight.call.asks.empty()) {
    free_flight(flight);
  } else {
    flight.stage = Flight::Stage::kUnanswered;
  }
  lose(State::kLost, now);
  answer_waiting();
}

void LedgerBook::free_flight(Flight& flight) {
  flight.call.asks.clear();
  flight.subjects.clear();
  flight.stage = Flight::Stage::kFree;
}

void LedgerBook::keep_unanswered(Flight& flight, const LedgerReply& reply) {
  size_t kept = 0;
  for (size_t i = 0; i < flight.subjects.size(); ++i) {
    if (reply.answers[i].is_answered) continue;
    flight.call.asks[kept] = flight.call.asks[i];
    flight.subjects[kept++] = flight.subjects[i];
  }
  if (kept == 0) return free_flight(flight);
  flight.call.asks.resize(kept);
  flight.subjects.resize(kept);
  flight.stage = Flight::Stage::kUnanswered;
}

// What it told may not have arrived: what is owed is told again, even if it counts twice then.
void LedgerBook::give_up(Flight& flight) {
  for (size_t i = 0; i < flight.subjects.size(); ++i) {
    Hot& hot = *flight.subjects[i];
    hot.is_in_flight = false;
    hot.owed += flight.call.asks[i].owed;
    if (hot.owed > 0) push_due(hot);
  }
  free_flight(flight);
}

void LedgerBook::note_answer(Hot& hot, const LedgerAsk& ask, const LedgerAnswer& answer,
                             LimitTime sent, LimitTime now) {
  if (answer.most < ask.most) {
    ++figures_.terms_differ;
    if (known_differing_.size() < kDifferingMost &&
        known_differing_.emplace(ask.key.rule, true).second) {
      differing_.push_back(ask.key.rule);
    }
  }
  if (ask.kind == LedgerKind::kSplit) {
    note_part(hot, ask, answer, sent, now);
  } else {
    note_granted(hot, ask, answer, sent, now);
  }
}

void LedgerBook::note_granted(Hot& hot, const LedgerAsk& ask, const LedgerAnswer& answer,
                              LimitTime sent, LimitTime now) {
  const bool is_known = learning_until_[bucket_of(ask.key)] <= now;
  if (state_ == State::kUp && is_known) hot.remaining = answer.remaining;
  const LimitTime slot_end = sent + answer.lives;
  hot.gateways = std::max(int64_t{1}, answer.gateways);
  if (answer.granted > 0 && slot_end > now) {
    // The first end that was found for a slot serves all that is granted in it: credit with another
    // end would replace what is left.
    if (hot.credit_slot != answer.slot) {
      const int64_t before = hot.credit_slot;
      const LimitTime end = std::min(slot_end, sent + kCreditLength);
      const int64_t left = hot.bank->add_credit(answer.granted, end);
      if (before >= 0) note_return(hot, left, before);
      hot.credit_slot = answer.slot;
      hot.credit_end = end;
    } else {
      const int64_t left = hot.bank->add_credit(answer.granted, hot.credit_end);
      note_return(hot, left, answer.slot);
    }
    hot.slot_end = slot_end;
  } else if (answer.granted > 0) {
    note_return(hot, answer.granted, answer.slot);
  }
  if (answer.granted < ask.want && answer.remaining == 0 && state_ == State::kUp) {
    if (hot.bank->closed_until() + parts_.tick < now) {
      const auto unused = static_cast<double>(hot.bank->credit(now));
      figures_.undershoot_worst =
          std::max(figures_.undershoot_worst,
                   std::min(1.0, unused / static_cast<double>(std::max(int64_t{1}, answer.most))));
    }
    const microseconds soon = std::clamp(answer.returns, microseconds(1000), parts_.tick);
    hot.bank->close_until(now + soon, sent + answer.returns);
  }
}

void LedgerBook::note_part(Hot& hot, const LedgerAsk& ask, const LedgerAnswer& answer,
                           LimitTime sent, LimitTime now) {
  hot.cap = answer.cap;
  if (answer.granted > hot.part) hot.grown_at = now;
  hot.part = answer.granted;
  hot.part_at = sent;
  if (state_ != State::kUp) return;
  hot.bank->set_share(hot.part);
  if (answer.granted < ask.want) hot.bank->close_until(now + parts_.tick);
}

void LedgerBook::answer_waiting() noexcept {
  if (is_empty(waiting_)) return;
  for (size_t i = 0; i < waiting_.size(); ++i) answered_[i] |= std::exchange(waiting_[i], 0);
}

// --- losing it, and telling it what it does not know ---------------------------------------------

void LedgerBook::lose(State state, LimitTime now) {
  is_collected_ = false;
  if (state_ == State::kUp) {
    parts_.banks.set_ledger(limit::BankTable::Ledger::kLost, parts_.gateways);
    for (const auto& hot : hot_) begin_careful(*hot, now);
    next_greeting_ = {};
  }
  state_ = state;
}

// Others may have used all of the limit: until that has returned, a gateway's share is what it used
// itself and its part of what was left.
void LedgerBook::begin_careful(Hot& hot, LimitTime now) {
  const bool is_shared = hot.kind == LedgerKind::kRolling && hot.remaining >= 0 &&
                         hot.terms.on_loss == config::OnLoss::kShare;
  if (!is_shared) return;
  const int64_t gateways = std::max(1u, parts_.gateways);
  // Each of the others may have been granted more since the last answer here: a part with a tick,
  // and one that a shard asked for at once.
  const int64_t unheard =
      2 * (gateways - 1) * std::max(int64_t{1}, hot.terms.most / (kLeasedPart * gateways));
  const int64_t left = std::max(int64_t{0}, hot.remaining - unheard);
  hot.bank->set_share(std::min(hot.terms.most / gateways, hot.bank->used(now) + left / gateways));
  hot.careful_until = now + hold_of(hot.terms);
}

void LedgerBook::end_careful(Hot& hot, LimitTime now) {
  if (hot.careful_until == LimitTime{} || now < hot.careful_until) return;
  hot.careful_until = {};
  if (state_ == State::kUp) return;
  hot.bank->set_share(hot.terms.most / std::max(1u, parts_.gateways));
}

void LedgerBook::note_buckets(const Flight& flight, const LedgerReply& reply, LimitTime now) {
  for (uint32_t bucket = 0; bucket < kLedgerBuckets; ++bucket) {
    const LedgerBucket& told = reply.buckets[bucket];
    if (!told.is_answered) continue;
    learning_until_[bucket] = now + told.learning;
    if (told.learning <= microseconds(0)) learning_until_[bucket] = {};
    const int64_t known = std::exchange(since_[bucket], told.since);
    const bool is_new = known == 0 ? told.learning > microseconds(0) : known != told.since;
    if (is_new) owe_bucket(bucket, flight, now);
  }
}

// All that counts, but for what the same call has told. What was granted is not known there any
// more.
void LedgerBook::owe_bucket(uint32_t bucket, const Flight& flight, LimitTime now) {
  for (const auto& hot : hot_) {
    if (bucket_of(hot->bank->key()) != bucket) continue;
    (void)hot->bank->take_credit(now);
    hot->credit_slot = -1;
    hot->returned = 0;
  }
  parts_.banks.visit_all([&](limit::Bank& bank) {
    if (bucket_of(bank.key()) != bucket) return;
    if (!bank.terms().is_granted() || bank.used(now) == 0) return;
    Hot* const hot = warm(bank);
    if (hot == nullptr) return;
    bank.owe_all(now);
    hot->owed = bank.take_owed(now);
    for (size_t i = 0; i < flight.subjects.size(); ++i) {
      if (flight.subjects[i] != hot) continue;
      hot->owed = std::max(int64_t{0}, hot->owed - flight.call.asks[i].owed);
    }
    if (hot->owed > 0) push_due(*hot);
  });
}

void LedgerBook::collect(LimitTime now) {
  is_collected_ = true;
  parts_.banks.visit_all([&](limit::Bank& bank) {
    const bool is_granted = bank.terms().is_granted();
    const int64_t owed = is_granted ? bank.take_owed(now) : 0;
    if (owed == 0 && (is_granted || bank.used(now) == 0)) return;
    Hot* const hot = warm(bank);
    if (hot == nullptr) return;
    hot->owed += owed;
    if (!is_granted) hot->want = std::max(hot->part, std::min(hot->terms.most, bank.used(now) + 1));
    push_due(*hot);
  });
}

void LedgerBook::come_back(LimitTime now) {
  state_ = State::kUp;
  // The share of each gateway was of all that was left, without what it had been granted: to use
  // both would be too much, so the ledger decides anew.
  for (const auto& hot : hot_) {
    if (hot->credit_slot < 0 || hot->bank->source() != limit::Bank::Source::kOwed) continue;
    note_return(*hot, hot->bank->take_credit(now), std::exchange(hot->credit_slot, -1));
  }
  parts_.banks.set_ledger(limit::BankTable::Ledger::kUp, parts_.gateways);
  for (const auto& hot : hot_) {
    hot->careful_until = {};
    if (hot->is_split()) {
      if (now - hot->part_at > kPartFresh) hot->part = 0;
      hot->bank->set_share(hot->part);
    }
    plan(*hot, now);
  }
}

}  // namespace sluice::control
