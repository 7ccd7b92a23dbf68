#include <sluice/control/limit_reconciler.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <sluice/base/byte_fields.h>
#include <sluice/limit/subjects.h>

namespace sluice::control {

using limit::BankTable;

LimitReconciler::LimitReconciler(Parts parts)
    : parts_(std::move(parts)),
      gate_(parts_.ring.ready()),
      timer_(parts_.ring.ready(), parts_.ring.timers()),
      over_(parts_.ring.ready()),
      hurried_(parts_.ring.ready()),
      met_(parts_.ring.ready()),
      answered_all_(parts_.ring.ready()) {}

limit::LimitTime LimitReconciler::now() const noexcept {
  return parts_.banks.clock().at(parts_.ring.now());
}

bool LimitReconciler::is_up() const noexcept {
  return book_ && book_->state() == LedgerBook::State::kUp;
}

void LimitReconciler::follow(const config::Snapshot& snapshot) {
  names_.clear();
  for (const config::LimitRule& rule : snapshot.limit_rules) {
    names_.emplace(limit::key_of(rule, "").rule, rule.name);
  }
}

void LimitReconciler::start() {
  // At once where nothing is to be waited for: before anybody is served.
  has_begun_ = parts_.banks.note_state() != BankTable::Note::kPromised;
  if (has_begun_) take_note();
  io::start_detached(tick());
}

Task<void> LimitReconciler::await_note() {
  const Deadline patience{parts_.ring.now() + kNotePatience};
  while (parts_.banks.note_state() == BankTable::Note::kPromised && !over_.is_ready() &&
         !patience.has_passed(parts_.ring.now())) {
    timer_.set(Deadline{parts_.ring.now() + kNoteLook});
    co_await io::first_of(&timer_, &over_);
  }
}

void LimitReconciler::take_note() {
  const std::string note = parts_.banks.take_note();
  if (parts_.ledger == nullptr) return parts_.banks.set_ledger(BankTable::Ledger::kNone, 1);
  ByteFields fields(note);
  const std::string_view place = fields.short_text();
  const std::string_view name = fields.short_text();
  std::string_view book;
  if (fields.is_good() && !name.empty() && place == parts_.place) {
    book = std::string_view(note).substr(place.size() + name.size() + 2);
  }
  book_.emplace(LedgerBook::Parts{.banks = parts_.banks,
                                  .gateways = parts_.gateways,
                                  .tick = std::chrono::duration_cast<microseconds>(parts_.tick)},
                book);
  if (book_->was_restored()) parts_.ledger->set_name(name);
}

Task<void> LimitReconciler::meet_ledger() {
  const shard::Gate::Pass pass = gate_.enter();
  if (!book_) co_return;
  io::Timer patience(parts_.ring.ready(), parts_.ring.timers());
  patience.set(Deadline{parts_.ring.now() + kMeetingMost});
  is_meeting_ = true;
  while (book_->state() == LedgerBook::State::kLost && !patience.is_ready() && !over_.is_ready()) {
    met_.reset();
    co_await io::first_of(&met_, &patience);
  }
  is_meeting_ = false;
  if (book_->state() != LedgerBook::State::kLost || over_.is_ready()) co_return report();
  told_ = LedgerBook::State::kLost;
  parts_.log.write(
      LogLevel::kWarn, "limits",
      fmt::format("Redis has not answered within {} ms, and the start waits no longer;"
                  " on_loss holds for limits until it does: {}",
                  kMeetingMost / milliseconds(1), reason_.empty() ? "nothing has come" : reason_));
}

Task<void> LimitReconciler::leave() {
  const shard::Gate::Pass pass = gate_.enter();
  is_leaving_ = true;
  if (!book_) co_return;
  parts_.banks.promise_note();
  while (asks_in_flight_ > 0) {
    answered_all_.reset();
    co_await io::first_of(&answered_all_);
  }
  std::string note;
  append_short_text(note, parts_.place);
  append_short_text(note, parts_.ledger->name());
  note += book_->leave(BankTable::kNoteBytes - note.size());
  const LedgerBook::Shards answered = book_->take_answered();
  for (size_t i = 0; i < answered.size(); ++i) answered_[i] |= answered[i];
  book_.reset();
  parts_.banks.leave_note(note);
  hurried_.trigger();
}

Task<void> LimitReconciler::end() {
  over_.trigger();
  met_.trigger();
  while (gate_.inside() > 0) {
    gate_.emptied().reset();
    co_await io::first_of(&gate_.emptied());
  }
}

bool LimitReconciler::has_work() const noexcept {
  return (book_ && !is_leaving_ && parts_.banks.has_asks()) ||
         std::ranges::any_of(answered_, [](uint64_t word) { return word != 0; });
}

LedgerBook::Shards LimitReconciler::run() {
  if (book_ && !is_leaving_ && !over_.is_ready() && parts_.banks.has_asks()) {
    book_->look(now());
    drive();
  }
  return std::exchange(answered_, {});
}

Task<void> LimitReconciler::tick() {
  const shard::Gate::Pass pass = gate_.enter();
  if (!has_begun_) {
    co_await await_note();
    take_note();
  }
  while (!over_.is_ready()) {
    if (is_leaving_) {
      // Who waits here looks again, since the successor asks for both.
      const LedgerBook::Shards asking = parts_.banks.take_asking();
      for (size_t i = 0; i < asking.size(); ++i) answered_[i] |= asking[i];
      timer_.set(Deadline{parts_.ring.now() + parts_.tick});
      co_await io::first_of(&timer_, &over_);
      continue;
    }
    if (book_) {
      // An answer hurries what follows it, not the ticks that rates are measured in.
      if (parts_.ring.now() - ticked_at_ >= parts_.tick || ticked_at_ == MonoTime{}) {
        ticked_at_ = parts_.ring.now();
        book_->tick(now());
      }
      drive();
    }
    sweep();
    report();
    // What shards of a predecessor ask is found by looking.
    const bool is_hot = book_ && (book_->hot_count() > 0 || !is_up() || parts_.banks.is_shared());
    const Duration length = book_ ? (is_hot ? parts_.tick : kIdleTick) : kSweepTick;
    timer_.set(Deadline{(book_ ? ticked_at_ : parts_.ring.now()) + length});
    co_await io::first_of(&timer_, &over_, &hurried_);
    hurried_.reset();
  }
}

void LimitReconciler::drive() {
  while (const LedgerCall* const call = book_->next_call(now())) io::start_detached(ask(call));
  const LedgerBook::Shards answered = book_->take_answered();
  for (size_t i = 0; i < answered.size(); ++i) answered_[i] |= answered[i];
}

// The call belongs to the book, which keeps it until it is answered here.
Task<void> LimitReconciler::ask(const LedgerCall* call) {
  const shard::Gate::Pass pass = gate_.enter();
  const uint32_t lane = call->lane;
  ++asks_in_flight_;
  const MonoTime sent = parts_.ring.now();
  const Result<LedgerReply> reply =
      co_await parts_.ledger->ask(*call, Deadline{sent + parts_.wait_max});
  const MonoTime answered = parts_.ring.now();
  if (reply) {
    parts_.registry.control().ledger_wait.record(answered - sent);
    if (!reply->is_whole()) reason_ = "a part of it does not answer";
    book_->on_reply(lane, *reply, now());
  } else {
    reason_ = std::string(parts_.ledger->refusal());
    if (reason_.empty()) reason_ = std::string(reply.error().detail);
    book_->on_loss(lane, now());
  }
  report();
  met_.trigger();
  if (--asks_in_flight_ == 0) answered_all_.trigger();
  if (!over_.is_ready() && !is_leaving_) {
    if (is_up()) drive();
    hurried_.trigger();
  }
}

void LimitReconciler::sweep() {
  const MonoTime time = parts_.ring.now();
  if (swept_at_ != MonoTime{} && time - swept_at_ < kSweepTick) return;
  swept_at_ = time;
  const limit::LimitTime line = now();
  if (parts_.banks.is_shared()) parts_.banks.recover();
  parts_.banks.sweep(std::max(kSweepMin, parts_.banks.size() / kSweepParts), line);
  parts_.banks.note_time(line);
  parts_.registry.control().limit_subjects.set(parts_.banks.in_use());
  if (book_) return;
  double worst = -1;
  parts_.banks.visit_marked([&](limit::Bank& bank) {
    if (const auto undershoot = bank.take_undershoot(line)) worst = std::max(worst, *undershoot);
    // Told a little later.
    if (bank.has_refusal()) parts_.banks.mark(bank);
  });
  if (worst >= 0) {
    parts_.registry.control().limit_undershoot_ppm.set(std::lround(worst * 1e6));
  }
}

void LimitReconciler::report() {
  if (!book_ || is_leaving_) return;
  metrics::ControlCells& cells = parts_.registry.control();
  LedgerBook::Figures& figures = book_->figures();
  cells.redis_up.set(is_up() ? 1 : 0);
  const uint64_t commands = parts_.ledger->commands();
  cells.redis_commands.add(commands - std::exchange(commands_, commands));
  cells.ledger_asks.add(figures.asks - std::exchange(asks_, figures.asks));
  cells.limit_terms_differ.add(figures.terms_differ -
                               std::exchange(terms_differ_, figures.terms_differ));
  if (const double worst = std::exchange(figures.undershoot_worst, -1); worst >= 0) {
    cells.limit_undershoot_ppm.set(std::lround(worst * 1e6));
  }
  for (const uint64_t rule : book_->take_differing()) {
    const auto known = names_.find(rule);
    parts_.log.write(LogLevel::kWarn, "limits",
                     fmt::format("another gateway states a lower limit for `{}` than this one, and "
                                 "the lower one counts; give all the same limits",
                                 known == names_.end() ? "a former rule" : known->second));
  }
  const LedgerBook::State state = book_->state();
  if (state == told_ || is_meeting_) return;
  const bool was_up = std::exchange(told_, state) == LedgerBook::State::kUp;
  if (state == LedgerBook::State::kUp) {
    parts_.log.write(LogLevel::kInfo, "limits", "limits are counted together in Redis again");
  } else if (state == LedgerBook::State::kLearning) {
    parts_.log.write(LogLevel::kWarn, "limits",
                     "Redis has no counts of limits and learns them; on_loss holds meanwhile");
  } else if (was_up && !reason_.empty()) {
    parts_.log.write(LogLevel::kWarn, "limits",
                     fmt::format("Redis is lost, on_loss holds for limits: {}", reason_));
  } else {
    told_ = LedgerBook::State::kUp;  // Nothing was tried yet.
  }
}

}  // namespace sluice::control
