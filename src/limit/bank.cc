#include <sluice/limit/bank.h>

#include "calendar.h"

namespace sluice::limit {
namespace {

// A slot's word: which slot, and what is counted in it.
constexpr uint32_t kCountBits = 40;
constexpr uint64_t kCountMask = (uint64_t{1} << kCountBits) - 1;
constexpr uint64_t kTagMask = (uint64_t{1} << (64 - kCountBits)) - 1;

constexpr uint64_t word_of(uint64_t tag, int64_t count) noexcept {
  return tag << kCountBits | (static_cast<uint64_t>(count) & kCountMask);
}
constexpr int64_t count_of(uint64_t word) noexcept {
  return static_cast<int64_t>(word & kCountMask);
}
constexpr uint64_t tag_of(uint64_t word) noexcept { return word >> kCountBits; }
// Whether `tag` stands for a slot before `other`; they are less than half their range apart.
constexpr bool is_before(uint64_t tag, uint64_t other) noexcept {
  return ((tag - other) & kTagMask) > kTagMask / 2;
}

// What a Taking remembers of its slot: the word's tag, and the index of the word.
constexpr uint32_t kIndexShift = 24;
constexpr uint32_t pack(int64_t number, uint32_t index) noexcept {
  return index << kIndexShift | static_cast<uint32_t>(static_cast<uint64_t>(number) & kTagMask);
}
constexpr uint64_t tag_in(uint32_t slot) noexcept { return slot & kTagMask; }
constexpr uint32_t index_in(uint32_t slot) noexcept { return slot >> kIndexShift; }

// A credit's word: the milliseconds of its end, and the amount.
constexpr uint32_t kAmountBits = 36;
constexpr uint64_t kAmountMask = (uint64_t{1} << kAmountBits) - 1;
constexpr uint64_t kEndMask = (uint64_t{1} << (64 - kAmountBits)) - 1;
static_assert(kAmountMask == Bank::kCreditMost);

uint64_t end_of(LimitTime time) noexcept {
  return static_cast<uint64_t>(time.time_since_epoch().count() / 1000) & kEndMask;
}
// The end that `word` stands for, which is less than 37 hours from `now`.
LimitTime credit_end(uint64_t word, LimitTime now) noexcept {
  const int64_t now_ms = now.time_since_epoch().count() / 1000;
  uint64_t ahead = ((word >> kAmountBits) - static_cast<uint64_t>(now_ms)) & kEndMask;
  if (ahead > kEndMask / 2) ahead |= ~kEndMask;
  return LimitTime(milliseconds(now_ms + static_cast<int64_t>(ahead)));
}

// When only others can tell how long something takes.
constexpr microseconds kUnknownWait = seconds(1);
// For idle leases to come back.
constexpr microseconds kLeasesBack = milliseconds(250);

}  // namespace

BankTerms terms_of(const config::LimitRule& rule) noexcept {
  BankTerms terms{.window = rule.window,
                  .burst = rule.burst,
                  .most = static_cast<int64_t>(rule.most),
                  .length = std::chrono::duration_cast<microseconds>(rule.length),
                  .on_loss = rule.on_loss};
  if (rule.measure == config::LimitMeasure::kConcurrency) {
    terms.kind = BankTerms::Kind::kConcurrent;
  } else if (rule.window != config::LimitWindow::kRolling) {
    terms.kind = BankTerms::Kind::kCalendar;
  } else if (rule.burst > 0) {
    terms.kind = BankTerms::Kind::kSpaced;
  }
  return terms;
}

void Bank::set_terms(const BankTerms& terms) noexcept {
  kind_.store(terms.kind, std::memory_order_relaxed);
  window_.store(terms.window, std::memory_order_relaxed);
  on_loss_.store(terms.on_loss, std::memory_order_relaxed);
  burst_.store(terms.burst, std::memory_order_relaxed);
  length_us_.store(terms.length.count(), std::memory_order_relaxed);
  most_.store(terms.most);
}

BankTerms Bank::terms() const noexcept {
  return {.kind = kind_.load(std::memory_order_relaxed),
          .window = window_.load(std::memory_order_relaxed),
          .burst = burst_.load(std::memory_order_relaxed),
          .most = most_.load(std::memory_order_relaxed),
          .length = microseconds(length_us_.load(std::memory_order_relaxed)),
          .on_loss = on_loss_.load(std::memory_order_relaxed)};
}

int64_t Bank::most() const noexcept {
  const int64_t most = most_.load(std::memory_order_relaxed);
  const int64_t share = share_.load(std::memory_order_relaxed);
  return share < 0 ? most : std::min(most, share);
}

void Bank::reset() noexcept {
  for (std::atomic<uint64_t>& slot : slots_) slot.store(0, std::memory_order_relaxed);
  forget_ledger();
  taken_.store(0);
  expired_before_.store(0);
  taken_ever_.store(0);
  refused_in_.store(0);
}

void Bank::forgive(LimitTime now) noexcept {
  switch (kind_.load(std::memory_order_relaxed)) {
    case BankTerms::Kind::kConcurrent: return;
    case BankTerms::Kind::kSpaced: taken_.store(0); return;
    default: break;
  }
  expire(now);
  for (std::atomic<uint64_t>& slot : slots_) {
    // Whoever takes it out of its slot takes it off the count, so that it is done once.
    if (const uint64_t word = slot.exchange(0)) taken_.fetch_sub(count_of(word));
  }
}

void Bank::forget_ledger() noexcept {
  source_.store(Source::kOwn);
  share_.store(-1);
  credit_.store(0);
  owed_.store(0);
  asked_.store(0);
  closed_until_.store({});
  returns_at_.store({});
}

void Bank::forget_seat(ProcessSeat seat) noexcept {
  users_.fetch_and(~seat.mask());
  if (kind_.load(std::memory_order_relaxed) == BankTerms::Kind::kConcurrent) {
    taken_.fetch_and(~seat.mask());
  }
}

// --- slots -------------------------------------------------------------------------------------

Bank::Slot Bank::slot_at(LimitTime time) const noexcept {
  if (kind_.load(std::memory_order_relaxed) == BankTerms::Kind::kCalendar) {
    const CalendarSlot slot = calendar_slot(window_.load(std::memory_order_relaxed), time);
    return {slot.number, slot.ends_at};
  }
  const int64_t slot_us =
      std::max(int64_t{1}, length_us_.load(std::memory_order_relaxed) / kSlotsPerLength);
  const int64_t number = time.time_since_epoch().count() / slot_us;
  return {number, LimitTime(microseconds((number + 1) * slot_us))};
}

uint32_t Bank::pack_slot(int64_t number) const noexcept {
  const bool is_calendar = kind_.load(std::memory_order_relaxed) == BankTerms::Kind::kCalendar;
  return pack(number, is_calendar ? 0u : static_cast<uint32_t>(number % kSlots));
}

// The first slot that still counts: what is taken in one may be used until its end, and counts for
// the length from there.
int64_t Bank::first_live(LimitTime now) const noexcept {
  if (kind_.load(std::memory_order_relaxed) == BankTerms::Kind::kCalendar) {
    return slot_at(now).number;
  }
  return slot_at(now - microseconds(length_us_.load(std::memory_order_relaxed)) - kTurnSlack)
      .number;
}

LimitTime Bank::returns_at(int64_t slot_number) const noexcept {
  const int64_t length_us = length_us_.load(std::memory_order_relaxed);
  const int64_t slot_us = std::max(int64_t{1}, length_us / kSlotsPerLength);
  return LimitTime(microseconds((slot_number + 1) * slot_us + length_us) + kTurnSlack);
}

void Bank::expire(LimitTime now) noexcept {
  const int64_t first = first_live(now);
  if (expired_before_.load(std::memory_order_relaxed) >= first) return;
  const uint64_t first_tag = static_cast<uint64_t>(first) & kTagMask;
  for (std::atomic<uint64_t>& slot : slots_) {
    uint64_t word = slot.load();
    if (count_of(word) == 0 || !is_before(tag_of(word), first_tag)) continue;
    // Whoever takes it out of its slot takes it off the count, so that it is done once.
    if (slot.compare_exchange_strong(word, 0)) taken_.fetch_sub(count_of(word));
  }
  expired_before_.store(first, std::memory_order_relaxed);
}

void Bank::count_in(uint32_t slot, int64_t amount) noexcept {
  std::atomic<uint64_t>& place = slots_[index_in(slot)];
  uint64_t word = place.load();
  for (;;) {
    const bool is_older = count_of(word) > 0 && is_before(tag_of(word), tag_in(slot));
    // A word of a later slot is one that this shard has slept through: counted there, it counts
    // longer than it must.
    const bool is_same = count_of(word) > 0 && !is_older;
    const int64_t sum =
        std::min(amount + (is_same ? count_of(word) : 0), static_cast<int64_t>(kCountMask));
    const uint64_t tag = is_same ? tag_of(word) : tag_in(slot);
    if (!place.compare_exchange_weak(word, word_of(tag, sum))) continue;
    if (is_older) taken_.fetch_sub(count_of(word));
    return;
  }
}

// --- taking ------------------------------------------------------------------------------------

int64_t Bank::raise(int64_t wanted, int64_t least, int64_t most) noexcept {
  int64_t taken = taken_.load();
  for (;;) {
    const int64_t room = most - taken;
    if (room < least) return 0;
    const int64_t amount = std::min(wanted, room);
    if (taken_.compare_exchange_weak(taken, taken + amount)) return amount;
  }
}

Taking Bank::take(int64_t wanted, int64_t least, LimitTime now, ProcessSeat seat) noexcept {
  const BankTerms::Kind kind = kind_.load(std::memory_order_relaxed);
  if (kind == BankTerms::Kind::kSpaced) return take_spaced(wanted, least, now);
  if (kind == BankTerms::Kind::kConcurrent) return take_in_flight(wanted, least, seat);
  expire(now);
  if (source() == Source::kGranted) return take_granted(wanted, least, now);
  const Slot slot = slot_at(now);
  Taking taking{.amount = raise(wanted, least, most()), .dies_at = slot.ends_at};
  if (taking.amount == 0) return taking;
  taking.slot = pack_slot(slot.number);
  count_in(taking.slot, taking.amount);
  if (source() == Source::kOwed) owed_.fetch_add(taking.amount);
  taken_ever_.fetch_add(static_cast<uint64_t>(taking.amount), std::memory_order_relaxed);
  return taking;
}

Taking Bank::take_in_flight(int64_t wanted, int64_t least, ProcessSeat seat) noexcept {
  const int64_t most = this->most();
  int64_t word = taken_.load();
  for (;;) {
    const int64_t room =
        std::min(most - ProcessSeat::sum_of(word), ProcessSeat::kMost - seat.count_in(word));
    if (room < least) return {.dies_at = LimitTime::max()};
    const int64_t amount = std::min(wanted, room);
    if (!taken_.compare_exchange_weak(word, word + amount * seat.unit())) continue;
    return {.amount = amount, .slot = seat.number(), .dies_at = LimitTime::max()};
  }
}

// Counted in the slot of the credit's end, since it may be used until then.
Taking Bank::take_granted(int64_t wanted, int64_t least, LimitTime now) noexcept {
  Taking taking;
  uint64_t word = credit_.load();
  for (;;) {
    taking.dies_at = credit_end(word, now);
    const auto left = static_cast<int64_t>(word & kAmountMask);
    if (left < least || taking.dies_at <= now) return taking;
    taking.amount = std::min(wanted, left);
    if (credit_.compare_exchange_weak(word, word - static_cast<uint64_t>(taking.amount))) break;
    taking.amount = 0;
  }
  const bool is_rolling = kind_.load(std::memory_order_relaxed) == BankTerms::Kind::kRolling;
  taking.slot = pack_slot(slot_at(is_rolling ? taking.dies_at : now).number);
  taken_.fetch_add(taking.amount);
  count_in(taking.slot, taking.amount);
  taken_ever_.fetch_add(static_cast<uint64_t>(taking.amount), std::memory_order_relaxed);
  return taking;
}

void Bank::give_back(const Taking& taking, LimitTime now) noexcept {
  if (taking.amount <= 0) return;
  switch (kind_.load(std::memory_order_relaxed)) {
    case BankTerms::Kind::kConcurrent:
      taken_.fetch_sub(taking.amount * ProcessSeat(taking.slot).unit());
      return;
    case BankTerms::Kind::kSpaced: move_spaced(-taking.amount, now); return;
    default: break;
  }
  std::atomic<uint64_t>& place = slots_[index_in(taking.slot)];
  uint64_t word = place.load();
  do {
    // It has returned by itself meanwhile.
    if (tag_of(word) != tag_in(taking.slot) || count_of(word) < taking.amount) return;
  } while (!place.compare_exchange_weak(word, word - static_cast<uint64_t>(taking.amount)));
  taken_.fetch_sub(taking.amount);
  if (source() == Source::kOwed) owed_.fetch_sub(taking.amount);
  if (source() != Source::kGranted || taking.dies_at <= now) return;
  uint64_t credit = credit_.load();
  while (credit >> kAmountBits == end_of(taking.dies_at) &&
         static_cast<int64_t>(credit & kAmountMask) <= kCreditMost - taking.amount) {
    if (credit_.compare_exchange_weak(credit, credit + static_cast<uint64_t>(taking.amount)))
      return;
  }
}

void Bank::owe(int64_t amount, LimitTime now) noexcept {
  if (amount <= 0) return;
  const BankTerms::Kind kind = kind_.load(std::memory_order_relaxed);
  if (kind == BankTerms::Kind::kConcurrent) return;
  if (kind == BankTerms::Kind::kSpaced) return move_spaced(amount, now);
  expire(now);
  if (source() == Source::kGranted) {
    // Out of the credit as far as it goes; the ledger hears of the rest.
    const Taking taking = take_granted(amount, 1, now);
    amount -= taking.amount;
    if (amount == 0) return;
  }
  if (source() != Source::kOwn) owed_.fetch_add(amount);
  taken_.fetch_add(amount);
  count_in(pack_slot(slot_at(now).number), amount);
  taken_ever_.fetch_add(static_cast<uint64_t>(amount), std::memory_order_relaxed);
}

// --- even spacing: the generic cell rate algorithm (ITU-T I.371), in nanoseconds ----------------

int64_t Bank::interval_ns() const noexcept {
  const int64_t most = std::max(int64_t{1}, this->most());
  return std::max(int64_t{1},
                  (length_us_.load(std::memory_order_relaxed) * 1000 + most - 1) / most);
}

// A part of the limit has that part of the burst.
int64_t Bank::burst() const noexcept {
  const int64_t whole = burst_.load(std::memory_order_relaxed);
  const int64_t share = share_.load(std::memory_order_relaxed);
  const int64_t most = most_.load(std::memory_order_relaxed);
  if (share < 0 || share >= most) return whole;
  return std::max(int64_t{1},
                  static_cast<int64_t>(static_cast<double>(whole) * static_cast<double>(share) /
                                       static_cast<double>(most)));
}

Taking Bank::take_spaced(int64_t wanted, int64_t least, LimitTime now) noexcept {
  const int64_t now_ns = now.time_since_epoch().count() * 1000;
  const int64_t interval = interval_ns();
  const int64_t ahead_most = interval * burst();
  int64_t arrival = taken_.load();
  for (;;) {
    const int64_t from = std::max(arrival, now_ns);
    const int64_t room = (ahead_most - (from - now_ns)) / interval;
    if (room < least || most() == 0) return {};
    const int64_t amount = std::min(wanted, room);
    if (taken_.compare_exchange_weak(arrival, from + amount * interval)) {
      taken_ever_.fetch_add(static_cast<uint64_t>(amount), std::memory_order_relaxed);
      return {.amount = amount, .dies_at = LimitTime::max()};
    }
  }
}

void Bank::move_spaced(int64_t amount, LimitTime now) noexcept {
  const int64_t now_ns = now.time_since_epoch().count() * 1000;
  int64_t arrival = taken_.load();
  while (
      !taken_.compare_exchange_weak(arrival, std::max(arrival, now_ns) + amount * interval_ns())) {
  }
}

// --- looking -----------------------------------------------------------------------------------

int64_t Bank::room(LimitTime now) noexcept {
  switch (kind_.load(std::memory_order_relaxed)) {
    case BankTerms::Kind::kConcurrent: return std::max(int64_t{0}, most() - count());
    case BankTerms::Kind::kSpaced: {
      const int64_t ahead = taken_.load() - now.time_since_epoch().count() * 1000;
      const int64_t interval = interval_ns();
      const int64_t ahead_most = interval * burst();
      return std::max(int64_t{0}, (ahead_most - std::max(int64_t{0}, ahead)) / interval);
    }
    default: break;
  }
  if (source() == Source::kGranted) return credit(now);
  expire(now);
  return std::max(int64_t{0}, most() - taken_.load());
}

int64_t Bank::used(LimitTime now) noexcept {
  if (kind_.load(std::memory_order_relaxed) == BankTerms::Kind::kSpaced) {
    const int64_t ahead = taken_.load() - now.time_since_epoch().count() * 1000;
    return std::max(int64_t{0}, (ahead + interval_ns() - 1) / interval_ns());
  }
  if (kind_.load(std::memory_order_relaxed) != BankTerms::Kind::kConcurrent) expire(now);
  return std::max(int64_t{0}, count());
}

int64_t Bank::count() const noexcept {
  const int64_t taken = taken_.load();
  const bool is_by_seat = kind_.load(std::memory_order_relaxed) == BankTerms::Kind::kConcurrent;
  return is_by_seat ? ProcessSeat::sum_of(taken) : taken;
}

microseconds Bank::time_until(int64_t amount, LimitTime now) noexcept {
  const BankTerms::Kind kind = kind_.load(std::memory_order_relaxed);
  if (kind == BankTerms::Kind::kConcurrent) return kUnknownWait;
  if (kind == BankTerms::Kind::kSpaced) {
    const int64_t from =
        std::max(int64_t{0}, taken_.load() - now.time_since_epoch().count() * 1000);
    const int64_t over = from + (amount - burst()) * interval_ns();
    return microseconds(std::max(int64_t{0}, (over + 999) / 1000));
  }
  if (source() == Source::kGranted) {
    const LimitTime closed = std::max(closed_until(), returns_at_.load());
    return closed > now ? closed - now : microseconds(kUnknownWait);
  }
  expire(now);
  int64_t lacking = taken_.load() + amount - most();
  if (lacking <= 0) return microseconds(0);
  if (kind == BankTerms::Kind::kCalendar) return slot_at(now).ends_at - now;
  const int64_t first = first_live(now);
  for (int64_t number = first; number < first + kSlots; ++number) {
    const uint64_t word = slots_[static_cast<size_t>(number % kSlots)].load();
    if (tag_of(word) != (static_cast<uint64_t>(number) & kTagMask)) continue;
    lacking -= count_of(word);
    if (lacking <= 0) return std::max(microseconds(0), returns_at(number) - now);
  }
  return microseconds(length_us_.load(std::memory_order_relaxed));
}

microseconds Bank::time_until_whole(LimitTime now) noexcept {
  const BankTerms::Kind kind = kind_.load(std::memory_order_relaxed);
  if (kind == BankTerms::Kind::kConcurrent) return kUnknownWait;
  if (kind == BankTerms::Kind::kSpaced) {
    const int64_t ahead = taken_.load() - now.time_since_epoch().count() * 1000;
    return microseconds(std::max(int64_t{0}, (ahead + 999) / 1000));
  }
  expire(now);
  if (taken_.load() <= 0) return microseconds(0);
  const Slot slot = slot_at(now);
  if (kind == BankTerms::Kind::kCalendar) return slot.ends_at - now;
  const int64_t first = first_live(now);
  for (int64_t number = slot.number + 1; number >= first; --number) {
    const uint64_t word = slots_[static_cast<size_t>(number % kSlots)].load();
    if (count_of(word) == 0 || tag_of(word) != (static_cast<uint64_t>(number) & kTagMask)) continue;
    return std::max(microseconds(0), returns_at(number) - now);
  }
  return microseconds(0);
}

bool Bank::note_refusal(LimitTime now) noexcept {
  const BankTerms::Kind kind = kind_.load(std::memory_order_relaxed);
  if (kind != BankTerms::Kind::kRolling && kind != BankTerms::Kind::kCalendar) return false;
  const int64_t number = slot_at(now).number;
  int64_t noted = refused_in_.load(std::memory_order_relaxed);
  if (kind == BankTerms::Kind::kCalendar) {
    return noted != -number && refused_in_.compare_exchange_strong(noted, -number);
  }
  return noted == 0 && refused_in_.compare_exchange_strong(noted, number);
}

std::optional<double> Bank::take_undershoot(LimitTime now) noexcept {
  const int64_t refused = refused_in_.load();
  const bool is_rolling = kind_.load(std::memory_order_relaxed) == BankTerms::Kind::kRolling;
  if (refused == 0 || !is_rolling) return std::nullopt;
  const int64_t number = refused < 0 ? -refused : refused;
  if (refused < 0) {
    // The next refusal is a first one again when all that counted at this one has returned.
    if (first_live(now) > number) refused_in_.store(0);
    return std::nullopt;
  }
  const int64_t length_us = length_us_.load(std::memory_order_relaxed);
  if (now < returns_at(number) - microseconds(length_us) + kLeasesBack) return std::nullopt;
  refused_in_.store(-number);
  const int64_t most = std::max(int64_t{1}, this->most());
  int64_t sum = 0;
  for (int64_t slot = number - kSlotsPerLength; slot <= number + 1; ++slot) {
    const uint64_t word = slots_[static_cast<size_t>(slot % kSlots)].load();
    if (tag_of(word) == (static_cast<uint64_t>(slot) & kTagMask)) sum += count_of(word);
  }
  return std::max(0.0, static_cast<double>(most - sum) / static_cast<double>(most));
}

// --- credit ------------------------------------------------------------------------------------

int64_t Bank::add_credit(int64_t amount, LimitTime until) noexcept {
  uint64_t word = credit_.load();
  for (;;) {
    const auto left = static_cast<int64_t>(word & kAmountMask);
    const bool is_same = word >> kAmountBits == end_of(until);
    const int64_t sum = std::min(kCreditMost, amount + (is_same ? left : 0));
    if (credit_.compare_exchange_weak(word,
                                      end_of(until) << kAmountBits | static_cast<uint64_t>(sum))) {
      return is_same ? 0 : left;
    }
  }
}

int64_t Bank::take_credit(LimitTime now) noexcept {
  const uint64_t word = credit_.exchange(0);
  return credit_end(word, now) <= now ? 0 : static_cast<int64_t>(word & kAmountMask);
}

int64_t Bank::credit(LimitTime now) const noexcept {
  const uint64_t word = credit_.load();
  return credit_end(word, now) <= now ? 0 : static_cast<int64_t>(word & kAmountMask);
}

void Bank::ask(int64_t amount) noexcept {
  int64_t asked = asked_.load();
  while (!asked_.compare_exchange_weak(asked, std::min(kCreditMost, asked + amount))) {
  }
}

}  // namespace sluice::limit
