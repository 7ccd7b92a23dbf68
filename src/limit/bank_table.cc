#include <sluice/limit/bank_table.h>

#include <unistd.h>

#include <cstddef>
#include <limits>
#include <utility>

#include "bank_memory.h"

namespace sluice::limit {
namespace {

// In Bank::users_ while a record is being freed.
constexpr int64_t kFreeing = std::numeric_limits<int64_t>::min();

// The finaliser of MurmurHash3 (public domain, A. Appleby).
constexpr uint64_t mix(uint64_t x) noexcept {
  x = (x ^ x >> 33) * 0xff51'afd7'ed55'8ccd;
  x = (x ^ x >> 33) * 0xc4ce'b9fe'1a85'ec53;
  return x ^ x >> 33;
}

}  // namespace

BankTable::BankTable() noexcept = default;

std::expected<std::unique_ptr<BankTable>, std::string> BankTable::make(Parts parts) {
  std::unique_ptr<BankTable> table(new BankTable);
  auto memory = parts.fd >= 0        ? BankMemory::attach(parts.fd, parts.file)
                : parts.file.empty() ? BankMemory::make(parts.subjects_max)
                                     : BankMemory::open(parts.file, parts.subjects_max);
  if (!memory) return std::unexpected(std::move(memory.error()));
  table->memory_ = std::move(*memory);
  BankMemory& shared = *table->memory_;
  table->ids_ = shared.ids();
  table->records_ = shared.banks();
  table->marks_ = shared.marks();
  table->mode_ = &shared.head().mode;
  table->in_use_ = &shared.head().in_use;
  table->sets_ = shared.sets();
  table->mark_words_ = (shared.records() + 63) / 64;
  if (parts.fd >= 0) {
    table->was_found_ = true;
    table->seed_ = shared.head().seed;
    table->clock_ = LimitClock::of_offset(microseconds(shared.head().offset_us.load()));
  } else {
    table->take_over(parts);
  }
  if (std::string fault = table->take_seat(); !fault.empty()) return std::unexpected(fault);
  return table;
}

std::string BankTable::take_seat() noexcept {
  if (!memory_->take_seat(&seat_)) {
    return "three processes share the counts of limits already; try again when the oldest one has "
           "drained";
  }
  forget_seat(seat_);
  memory_->head().pids[seat_.number()].store(getpid());
  return "";
}

void BankTable::take_over(const Parts& parts) noexcept {
  was_found_ = memory_->is_fit();
  if (!was_found_) return begin_anew(parts);
  BankHead& head = memory_->head();
  clock_ = LimitClock(parts.now, parts.wall,
                      LimitTime(microseconds(head.line_us.load(std::memory_order_relaxed))));
  head.offset_us.store(clock_.offset().count());
  seed_ = head.seed;
  mode_->store(0);
  in_use_->store(0);
  head.sweeper.store(0);
  head.note.store(Note::kNone);
  memory_->clear_seats();
  for (size_t i = 0; i < mark_words_; ++i) marks_[i].store(0);
  const LimitTime now = clock_.at(parts.now);
  for (size_t i = 0; i < sets_ * kWays; ++i) {
    const uint64_t id = ids_[i].load(std::memory_order_relaxed);
    if (id == 0) continue;
    Bank& bank = records_[i];
    bank.users_.store(0, std::memory_order_relaxed);
    // A claim that was not finished, requests in flight of a process that is gone, or what has
    // returned meanwhile.
    const bool is_dead = !is_certain(id) || bank.kind_.load() == BankTerms::Kind::kConcurrent;
    if (is_dead || bank.used(now) == 0) {
      bank.reset();
      ids_[i].store(0);
      continue;
    }
    bank.forget_ledger();
    in_use_->fetch_add(1);
  }
}

void BankTable::begin_anew(const Parts& parts) noexcept {
  memory_->begin(parts.file.empty());
  clock_ = LimitClock(parts.now, parts.wall);
  seed_ = mix(static_cast<uint64_t>(parts.wall.unix_us) ^ reinterpret_cast<uintptr_t>(records_));
  memory_->head().seed = seed_;
  memory_->head().offset_us.store(clock_.offset().count());
}

// By now nothing is held but what is still to be given back; a predecessor ends in this order, too.
BankTable::~BankTable() {
  if (memory_ == nullptr || memory_->head().pids[seat_.number()].load() != getpid()) return;
  forget_seat(seat_);
  memory_->free_seat(seat_);
}

void BankTable::note_time(LimitTime now) noexcept {
  memory_->head().line_us.store(now.time_since_epoch().count(), std::memory_order_relaxed);
}

// --- other processes ---------------------------------------------------------------------------

int BankTable::share_fd() const noexcept { return memory_->fd(); }

bool BankTable::is_shared() const noexcept { return !memory_->is_alone(seat_); }

void BankTable::recover() noexcept {
  for (uint32_t i = 0; i < ProcessSeat::kSeats; ++i) {
    const ProcessSeat seat(i);
    if (i == seat_.number() || !memory_->is_gone(seat)) continue;
    forget_seat(seat);
    memory_->free_seat(seat);
  }
}

void BankTable::promise_note() noexcept { memory_->head().note.store(Note::kPromised); }

void BankTable::leave_note(std::string_view note) noexcept {
  const size_t bytes = note.size() <= kNoteBytes ? note.size() : 0;
  std::ranges::copy(note.substr(0, bytes), memory_->note());
  memory_->head().note_bytes.store(static_cast<uint32_t>(bytes));
  memory_->head().note.store(Note::kWritten);
}

BankTable::Note BankTable::note_state() const noexcept { return memory_->head().note.load(); }

std::string BankTable::take_note() {
  if (memory_->head().note.exchange(Note::kNone) != Note::kWritten) return "";
  const size_t bytes = memory_->head().note_bytes.load();
  return {memory_->note(), std::min(bytes, kNoteBytes)};
}

void BankTable::forget_seat(ProcessSeat seat) noexcept {
  const uint64_t claim = uint64_t{seat.number() + 1};
  // Of the others one may be freeing a record just now, which is its own to end.
  const bool was_sweeping = memory_->head().sweeper.load() == seat.number() + 1;
  for (size_t i = 0; i < sets_ * kWays; ++i) {
    const uint64_t id = ids_[i].load();
    if (id == 0) continue;
    Bank& bank = records_[i];
    if (id >> kClaimShift == claim) {
      bank.users_.fetch_and(~seat.mask());
      bank.reset();
      ids_[i].store(0);
      continue;
    }
    bank.forget_seat(seat);
    const int64_t users = bank.users_.load();
    if (users >= 0 || !was_sweeping) continue;
    // It was freeing this one.
    if (is_certain(id) && ProcessSeat::sum_of(users) == 0) free_record(i);
    bank.users_.fetch_add(kFreeing);
  }
  if (was_sweeping) memory_->head().sweeper.store(0);
  SharedPlaces* const places = memory_->places();
  for (uint32_t i = 0; i < BankMemory::kPlacesMost; ++i) {
    if (places[i].name.load(std::memory_order_relaxed) != 0) {
      places[i].taken.fetch_and(~seat.mask());
    }
  }
}

SharedCount BankTable::places(uint64_t name_hash) noexcept {
  const uint64_t name = name_hash == 0 ? 1 : name_hash;
  SharedPlaces* const places = memory_->places();
  for (uint32_t i = 0; i < BankMemory::kPlacesMost; ++i) {
    SharedPlaces& place = places[(name + i) % BankMemory::kPlacesMost];
    uint64_t known = place.name.load();
    if (known == 0 && place.name.compare_exchange_strong(known, name)) known = name;
    if (known == name) return {&place.taken, seat_};
  }
  return {nullptr, seat_};
}

// --- records -----------------------------------------------------------------------------------

uint64_t BankTable::id_of(const BankKey& key) const noexcept {
  const uint64_t id = mix(key.rule ^ mix(key.subject ^ seed_)) & kIdMask;
  return id == 0 ? 1 : id;
}

// A key's records are tried in one order by everybody: those of one set, then of another.
template <class Visit>
size_t BankTable::first_of_ways(uint64_t id, Visit visit) const noexcept {
  const uint64_t sets[] = {id % sets_, mix(id) % sets_};
  for (const uint64_t set : sets) {
    for (size_t way = 0; way < kWays; ++way) {
      const size_t index = set * kWays + way;
      if (visit(index)) return index;
    }
  }
  return kNone;
}

Bank* BankTable::find_record(uint64_t id) const noexcept {
  const size_t index = first_of_ways(id, [&](size_t i) { return ids_[i].load() == id; });
  return index == kNone ? nullptr : &records_[index];
}

bool BankTable::try_join(Bank& bank, uint64_t id) noexcept {
  int64_t users = bank.users_.load();
  do {
    if (users < 0 || seat_.count_in(users) == ProcessSeat::kMost) return false;
  } while (!bank.users_.compare_exchange_weak(users, users + seat_.unit()));
  if (ids_[&bank - records_].load() == id) return true;
  bank.users_.fetch_sub(seat_.unit());
  return false;
}

// Whether the key has, or is just getting, a record beside `own`, which is claimed. Of two claims
// at one moment the one that is tried first stays: it looks again until the other has seen it and
// is gone, or was certain before and stays.
bool BankTable::is_doubled(uint64_t id, size_t own) const noexcept {
  for (int i = 0; i < kLooksMost; ++i) {
    bool is_behind = false;
    bool has_rival = false;
    const size_t other = first_of_ways(id, [&](size_t index) {
      if (index == own) {
        is_behind = true;
        return false;
      }
      const uint64_t known = ids_[index].load();
      const bool is_rival = known != id && (known & kIdMask) == id;
      has_rival |= is_rival && is_behind;
      return known == id || (is_rival && !is_behind);
    });
    if (other != kNone) return true;
    if (!has_rival) return false;
  }
  return true;
}

Bank* BankTable::claim(uint64_t id, const BankKey& key, const BankTerms& terms) noexcept {
  // In the emptier set, so that both fill up evenly (Azar et al., "Balanced allocations", 1999).
  std::array<uint32_t, 2> free_ways{};
  uint32_t tried = 0;
  (void)first_of_ways(id, [&](size_t index) {
    if (ids_[index].load() == 0) ++free_ways[tried / kWays];
    ++tried;
    return false;
  });
  const uint32_t from = free_ways[1] > free_ways[0] ? kWays : 0;
  tried = 0;
  const size_t own = first_of_ways(id, [&](size_t index) {
    uint64_t free = 0;
    return tried++ >= from && ids_[index].load() == 0 &&
           ids_[index].compare_exchange_strong(free, claim_of(id));
  });
  if (own == kNone) return nullptr;
  if (is_doubled(id, own)) {
    ids_[own].store(0);
    return nullptr;
  }
  Bank& bank = records_[own];
  bank.rule_.store(key.rule, std::memory_order_relaxed);
  bank.subject_.store(key.subject, std::memory_order_relaxed);
  bank.set_terms(terms);
  bank.users_.fetch_add(seat_.unit());
  const uint32_t mode = mode_->load();
  apply(mode, bank);
  ids_[own].store(id);
  // Whoever changed the mode meanwhile may not have seen this record.
  if (const uint32_t newer = mode_->load(); newer != mode) apply(newer, bank);
  in_use_->fetch_add(1);
  return &bank;
}

Bank* BankTable::open(const BankKey& key, const BankTerms& terms) noexcept {
  const uint64_t id = id_of(key);
  for (int i = 0; i < kClaimTries; ++i) {
    if (Bank* const known = find_record(id)) {
      if (!try_join(*known, id)) continue;
      known->set_terms(terms);
      return known;
    }
    if (Bank* const claimed = claim(id, key, terms)) return claimed;
    const bool is_full = first_of_ways(id, [&](size_t i) { return ids_[i].load() == 0; }) == kNone;
    if (is_full && find_record(id) == nullptr) break;
  }
  return nullptr;
}

void BankTable::apply(uint32_t mode, Bank& bank) noexcept {
  const auto ledger = static_cast<Ledger>(mode & 0xff);
  const BankTerms terms = bank.terms();
  switch (ledger) {
    case Ledger::kNone:
      bank.set_source(Bank::Source::kOwn);
      bank.set_share(-1);
      return;
    case Ledger::kUp:
      if (terms.is_granted()) {
        bank.set_share(-1);
        bank.set_source(Bank::Source::kGranted);
      } else {
        // Nothing until the ledger has said which part is this gateway's.
        bank.set_share(0);
      }
      return;
    case Ledger::kLost: break;
  }
  if (terms.on_loss == config::OnLoss::kDeny) {
    // What is granted dies by itself, and no more comes.
    if (terms.is_granted()) {
      bank.set_source(Bank::Source::kGranted);
    } else {
      bank.set_share(0);
    }
    return;
  }
  const int64_t gateways = std::max(1u, mode >> 8);
  bank.set_share(terms.on_loss == config::OnLoss::kShare ? terms.most / gateways : -1);
  if (terms.is_granted()) bank.set_source(Bank::Source::kOwed);
}

void BankTable::set_ledger(Ledger ledger, uint32_t gateways) noexcept {
  const uint32_t mode = static_cast<uint32_t>(ledger) | gateways << 8;
  mode_->store(mode);
  visit_all([mode](Bank& bank) { apply(mode, bank); });
}

void BankTable::close(Bank& bank) noexcept { bank.users_.fetch_sub(seat_.unit()); }

Bank* BankTable::find(const BankKey& key) noexcept { return find_record(id_of(key)); }

void BankTable::mark(const Bank& bank) noexcept {
  const auto index = static_cast<size_t>(&bank - records_);
  const uint64_t bit = uint64_t{1} << index % 64;
  std::atomic<uint64_t>& word = marks_[index / 64];
  if ((word.load(std::memory_order_relaxed) & bit) == 0) word.fetch_or(bit);
}

void BankTable::sweep(uint32_t count, LimitTime now) noexcept {
  const size_t records = sets_ * kWays;
  memory_->head().sweeper.store(seat_.number() + 1);
  for (uint32_t i = 0; i < count; ++i, swept_ = (swept_ + 1) % records) {
    if (!is_certain(ids_[swept_].load(std::memory_order_relaxed))) continue;
    Bank& bank = records_[swept_];
    if (bank.users_.load() != 0) continue;
    if (bank.used(now) != 0 || bank.credit(now) != 0) continue;
    int64_t unused = 0;
    if (!bank.users_.compare_exchange_strong(unused, kFreeing)) continue;
    // Nobody can join now; whoever left a moment ago may have counted something.
    if (bank.used(now) == 0) free_record(swept_);
    // Not a store: a claim may have counted itself in already.
    bank.users_.fetch_add(kFreeing);
  }
  memory_->head().sweeper.store(0);
}

void BankTable::free_record(size_t index) noexcept {
  records_[index].reset();
  ids_[index].store(0);
  in_use_->fetch_sub(1);
}

}  // namespace sluice::limit
