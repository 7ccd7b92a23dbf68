// A ledger book as bytes, for a successor that shares its banks.
#include <array>
#include <utility>

#include <sluice/base/byte_fields.h>
#include <sluice/control/ledger_book.h>

#include "ledger_hot.h"

namespace sluice::control {
namespace {

using limit::LimitTime;

constexpr uint32_t kNoteVersion = 1;

void append(std::string& out, int64_t number) { append_number(out, static_cast<uint64_t>(number)); }
void append(std::string& out, LimitTime time) { append(out, time.time_since_epoch().count()); }

int64_t number_in(ByteFields& fields) noexcept {
  return static_cast<int64_t>(fields.number<uint64_t>());
}
LimitTime time_in(ByteFields& fields) noexcept {
  return LimitTime(microseconds(number_in(fields)));
}

}  // namespace

std::string LedgerBook::leave(size_t bytes_max) {
  for (Flight& flight : flights_) {
    if (flight.stage == Flight::Stage::kUnanswered) give_up(flight);
  }
  answer_waiting();
  std::string note;
  append_number(note, kNoteVersion);
  append_number(note, parts_.gateways);
  append_number(note, static_cast<uint8_t>(state_));
  append_number(note, next_batch_);
  append(note, round_trip_.count());
  append(note, next_greeting_);
  for (const int64_t since : since_) append(note, since);
  for (const LimitTime until : learning_until_) append(note, until);
  for (const auto& hot : hot_) {
    limit::Bank& bank = *hot->bank;
    // Said in the banks, where it finds whoever comes next.
    bank.put_owed(std::exchange(hot->owed, 0));
    if (hot->asked > 0) bank.ask(std::exchange(hot->asked, 0));
    parts_.banks.mark(bank);
    std::string row;
    append_number(row, bank.key().rule);
    append_number(row, bank.key().subject);
    for (const int64_t number :
         {hot->returned, hot->return_slot, hot->credit_slot, hot->gateways, hot->remaining,
          hot->part, hot->cap, hot->want, static_cast<int64_t>(hot->rate)}) {
      append(row, number);
    }
    for (const LimitTime time : {hot->credit_end, hot->slot_end, hot->careful_until, hot->part_at,
                                 hot->shrunk_at, hot->grown_at}) {
      append(row, time);
    }
    if (note.size() + row.size() <= bytes_max) {
      note += row;
    } else if (hot->is_split()) {
      // Nothing until the ledger has said which part is this gateway's.
      bank.set_share(0);
    }
  }
  return note;
}

bool LedgerBook::restore(std::string_view note) {
  ByteFields fields(note);
  if (fields.number<uint32_t>() != kNoteVersion) return false;
  if (fields.number<uint32_t>() != parts_.gateways) return false;
  const auto state = fields.number<uint8_t>();
  if (state > static_cast<uint8_t>(State::kUp)) return false;
  const auto next_batch = fields.number<uint64_t>();
  const microseconds round_trip(number_in(fields));
  const LimitTime next_greeting = time_in(fields);
  std::array<int64_t, kLedgerBuckets> since{};
  for (int64_t& number : since) number = number_in(fields);
  std::array<LimitTime, kLedgerBuckets> learning_until{};
  for (LimitTime& until : learning_until) until = time_in(fields);
  if (!fields.is_good()) return false;
  was_restored_ = true;
  state_ = static_cast<State>(state);
  next_batch_ = next_batch;
  round_trip_ = round_trip;
  next_greeting_ = next_greeting;
  since_ = since;
  learning_until_ = learning_until;
  while (!fields.is_at_end()) {
    limit::BankKey key;
    key.rule = fields.number<uint64_t>();
    key.subject = fields.number<uint64_t>();
    Hot told;
    for (int64_t* number : {&told.returned, &told.return_slot, &told.credit_slot, &told.gateways,
                            &told.remaining, &told.part, &told.cap, &told.want}) {
      *number = number_in(fields);
    }
    told.rate = static_cast<double>(number_in(fields));
    for (LimitTime* time : {&told.credit_end, &told.slot_end, &told.careful_until, &told.part_at,
                            &told.shrunk_at, &told.grown_at}) {
      *time = time_in(fields);
    }
    limit::Bank* const bank = fields.is_good() ? parts_.banks.find(key) : nullptr;
    Hot* const hot = bank == nullptr ? nullptr : warm(*bank);
    if (hot == nullptr) continue;
    told.bank = hot->bank;
    told.terms = hot->terms;
    told.kind = hot->kind;
    told.taken_before = bank->taken_ever();
    *hot = told;
  }
  return true;
}

}  // namespace sluice::control
