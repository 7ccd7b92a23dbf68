// What one subject of one limit has used, exact over all shards of the process.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include <sluice/base/process_seat.h>
#include <sluice/config/limiting.h>
#include <sluice/limit/limit_time.h>

namespace sluice::limit {

// What the counts of one subject are found by; the same in every gateway. `rule` is never 0.
struct BankKey {
  uint64_t rule = 0;
  uint64_t subject = 0;
  bool operator==(const BankKey&) const = default;
};

// What a rule says to its banks.
struct BankTerms {
  enum class Kind : uint8_t {
    kRolling,     // At most `most` in every interval of `length`; all may come at once.
    kCalendar,    // At most `most` from one turn of the calendar to the next.
    kSpaced,      // `most` in `length`, evenly; `burst` at once (GCRA).
    kConcurrent,  // At most `most` that have not been given back.
  };
  Kind kind = Kind::kRolling;
  config::LimitWindow window = config::LimitWindow::kRolling;
  uint32_t burst = 0;
  int64_t most = 0;
  microseconds length{};
  config::OnLoss on_loss = config::OnLoss::kShare;
  bool operator==(const BankTerms&) const = default;

  // Whether the ledger grants it in leases; the rest it splits into parts, one for each gateway,
  // because a slot is too short to ask in, or because nothing returns with time.
  [[nodiscard]] bool is_granted() const noexcept {
    return kind == Kind::kCalendar || (kind == Kind::kRolling && length >= kGrantedLengthMin);
  }
  static constexpr microseconds kGrantedLengthMin = seconds(60);
};
[[nodiscard]] BankTerms terms_of(const config::LimitRule& rule) noexcept;

// Something taken. What is not used by `dies_at` is given back; used later it would be counted for
// too short a time.
struct Taking {
  int64_t amount = 0;  // 0 when there was not enough.
  uint32_t slot = 0;   // That it is counted in, or whose seat; for the bank only.
  LimitTime dies_at;
};

// One record of a BankTable, in memory that processes may share. Counting is escrow: a shard takes
// before it spends. What was taken is counted in slots of time: a kRolling slot returns `length`
// after it has ended, and nothing taken in it may be used after its end, so that no interval of
// that length sees more than `most`, whoever took it when.
//
// With a ledger, what may be taken is what the ledger has granted, the credit; the slots remember
// it for the time without a ledger.
//
// Atomics only; any thread unless said otherwise; waits for nobody. A count is raised before its
// slot, and a slot is lowered before its count: whoever is interrupted between the two leaves too
// high a count for a moment, never too low a one.
class alignas(64) Bank {
 public:
  static constexpr uint32_t kSlotsPerLength = 64;
  // How far the turns of two shards may be apart for the promise to hold to the microsecond.
  static constexpr microseconds kTurnSlack{2000};
  static constexpr int64_t kCreditMost = (int64_t{1} << 36) - 1;

  // Says what the bank is to hold; the same by all who open it, or newer. Keeps what is counted and
  // the part of one gateway.
  void set_terms(const BankTerms& terms) noexcept;
  [[nodiscard]] BankTerms terms() const noexcept;
  [[nodiscard]] BankKey key() const noexcept {
    return {rule_.load(std::memory_order_relaxed), subject_.load(std::memory_order_relaxed)};
  }

  // Takes up to `wanted`, not less than `least`; both at least 1. What is in flight is counted for
  // the process of that seat, at most ProcessSeat::kMost of it.
  [[nodiscard]] Taking take(int64_t wanted, int64_t least, LimitTime now,
                            ProcessSeat seat = {}) noexcept;
  // What was taken and not used.
  void give_back(const Taking& taking, LimitTime now) noexcept;
  // What was used without having been taken: counted although there may be no room for it.
  void owe(int64_t amount, LimitTime now) noexcept;

  // What has been counted so far counts no more, but for what is in flight. What shards have taken
  // and not used, and what a ledger has counted, is left alone.
  void forgive(LimitTime now) noexcept;

  // What could be taken now.
  [[nodiscard]] int64_t room(LimitTime now) noexcept;
  // How long until `amount` can be taken if nobody takes anything; a second where only others can
  // tell.
  [[nodiscard]] microseconds time_until(int64_t amount, LimitTime now) noexcept;
  // How long until nothing counts any more if nobody takes anything.
  [[nodiscard]] microseconds time_until_whole(LimitTime now) noexcept;
  // What counts at present, and whether it is nothing.
  [[nodiscard]] int64_t used(LimitTime now) noexcept;
  // At most in one length, of this gateway.
  [[nodiscard]] int64_t most() const noexcept;

  // A request was refused now; see take_undershoot(). True for the first one of a window or, of a
  // rolling one, since nothing of what counted at the first has counted.
  bool note_refusal(LimitTime now) noexcept;
  // The share of most() that was not used when the first request of a length was refused: told
  // once, a moment after that slot has ended and leases are back. Control thread.
  [[nodiscard]] std::optional<double> take_undershoot(LimitTime now) noexcept;

  // Whether take_undershoot() has something to tell, perhaps later.
  [[nodiscard]] bool has_refusal() const noexcept { return refused_in_.load() > 0; }

  // --- with a ledger: for the control thread, unless said otherwise ---------------------------
  // What may be taken: up to most(), the credit, or up to most() while the ledger is lost, which is
  // then to hear of it.
  enum class Source : uint8_t { kOwn, kGranted, kOwed };
  [[nodiscard]] Source source() const noexcept { return source_.load(std::memory_order_relaxed); }
  void set_source(Source source) noexcept { source_.store(source); }
  // The part of one gateway, of a limit that is split between them; negative is the whole.
  void set_share(int64_t most) noexcept { share_.store(most); }
  // May be taken until `until`, kept to milliseconds, and at most kCreditMost in sum. What is left
  // of credit with another end is replaced and returned.
  int64_t add_credit(int64_t amount, LimitTime until) noexcept;
  // What is left of the credit, which ends with that.
  [[nodiscard]] int64_t take_credit(LimitTime now) noexcept;
  [[nodiscard]] int64_t credit(LimitTime now) const noexcept;
  // What was used without having been granted, since the last call.
  // Not more than still counts.
  [[nodiscard]] int64_t take_owed(LimitTime now) noexcept {
    return std::min(owed_.exchange(0), used(now));
  }
  // What take_owed() gave and the ledger has not heard of.
  void put_owed(int64_t amount) noexcept { owed_.fetch_add(amount); }
  // The ledger has forgotten everything: all that counts is owed to it.
  void owe_all(LimitTime now) noexcept { owed_.store(used(now)); }
  // Any thread: `amount` was wanted and there was no credit for it.
  void ask(int64_t amount) noexcept;
  // All that was asked for since the last call, at most kCreditMost.
  [[nodiscard]] int64_t take_asked() noexcept { return asked_.exchange(0); }
  // The ledger need not be asked before then; more will be there at `returns`, if it is known. Any
  // thread may look.
  void close_until(LimitTime time, LimitTime returns = {}) noexcept {
    returns_at_.store(returns);
    closed_until_.store(time);
  }
  [[nodiscard]] LimitTime closed_until() const noexcept { return closed_until_.load(); }
  // All that was ever taken: for rates.
  [[nodiscard]] uint64_t taken_ever() const noexcept {
    return taken_ever_.load(std::memory_order_relaxed);
  }

 private:
  friend class BankTable;

  // One slot of a length, one that begins, one that ends, and one for kTurnSlack.
  static constexpr uint32_t kSlots = kSlotsPerLength + 3;

  struct Slot {
    int64_t number = 0;  // Since the epoch.
    LimitTime ends_at;
  };
  [[nodiscard]] Slot slot_at(LimitTime time) const noexcept;
  [[nodiscard]] int64_t first_live(LimitTime now) const noexcept;
  void expire(LimitTime now) noexcept;
  void count_in(uint32_t slot, int64_t amount) noexcept;
  [[nodiscard]] int64_t raise(int64_t wanted, int64_t least, int64_t most) noexcept;
  [[nodiscard]] uint32_t pack_slot(int64_t number) const noexcept;
  [[nodiscard]] Taking take_granted(int64_t wanted, int64_t least, LimitTime now) noexcept;
  [[nodiscard]] Taking take_spaced(int64_t wanted, int64_t least, LimitTime now) noexcept;
  void move_spaced(int64_t amount, LimitTime now) noexcept;
  [[nodiscard]] int64_t interval_ns() const noexcept;
  [[nodiscard]] int64_t burst() const noexcept;
  [[nodiscard]] LimitTime returns_at(int64_t slot_number) const noexcept;
  [[nodiscard]] Taking take_in_flight(int64_t wanted, int64_t least, ProcessSeat seat) noexcept;
  [[nodiscard]] int64_t count() const noexcept;
  void reset() noexcept;
  void forget_ledger() noexcept;
  // The process of that seat is gone: nobody there has it open, or anything in flight.
  void forget_seat(ProcessSeat seat) noexcept;

  std::atomic<int64_t> users_{0};  // For the table: who has it open, by seat.
  std::atomic<Source> source_{Source::kOwn};
  std::atomic<BankTerms::Kind> kind_{BankTerms::Kind::kRolling};
  std::atomic<config::OnLoss> on_loss_{config::OnLoss::kShare};
  std::atomic<config::LimitWindow> window_{config::LimitWindow::kRolling};
  std::atomic<uint32_t> burst_{0};
  std::atomic<int64_t> most_{0};
  std::atomic<int64_t> share_{-1};
  std::atomic<int64_t> length_us_{0};
  // Counts; of a kSpaced bank the theoretical arrival time in ns; of a kConcurrent one by seat.
  std::atomic<int64_t> taken_{0};
  std::atomic<int64_t> expired_before_{0};  // A hint: slots before it have been looked at.
  std::atomic<uint64_t> credit_{0};         // Milliseconds of its end, and the amount.
  std::atomic<int64_t> owed_{0};
  std::atomic<int64_t> asked_{0};
  std::atomic<LimitTime> closed_until_{};
  std::atomic<uint64_t> taken_ever_{0};
  std::atomic<LimitTime> returns_at_{};
  std::atomic<int64_t> refused_in_{0};  // Slot of the first refusal; negative once told; 0 none.
  std::atomic<uint64_t> rule_{0};
  std::atomic<uint64_t> subject_{0};
  std::array<std::atomic<uint64_t>, kSlots> slots_{};  // 24 bits of the slot's number, the count.
};

}  // namespace sluice::limit
