// What this gateway holds of the ledger, and what is to be asked of it next.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/control/ledger.h>
#include <sluice/limit/bank_table.h>

namespace sluice::control {

// Granted subjects get credit before it runs out, by their recent rate, and give back what stays
// unused; parts of the split ones follow what is in use. What is given back is given up here before
// the ledger hears of it.
//
// Knows no ring: whoever owns it sends its calls. Control thread.
class LedgerBook {
 public:
  enum class State : uint8_t {
    kLost,      // It does not answer, or has not yet been told all that was used without it.
    kLearning,  // It had forgotten everything and is being told.
    kUp,
  };
  using LimitTime = limit::LimitTime;
  using Shards = std::array<uint64_t, 4>;  // A bit each.

  struct Parts {
    limit::BankTable& banks;  // Outlives the book.
    uint32_t gateways = 1;    // That share a limit at most.
    microseconds tick{20'000};
  };
  struct Figures {
    uint64_t asks = 0;             // Subjects that the ledger was asked about.
    uint64_t terms_differ = 0;     // Answers with a limit lower than ours.
    double undershoot_worst = -1;  // Since taken; negative is none.
  };

  // Begins as lost, or goes on where the book stood that made `note` of the same banks: for the
  // ledger it is then the same gateway.
  explicit LedgerBook(Parts parts, std::string_view note = {});
  ~LedgerBook();
  LedgerBook(const LedgerBook&) = delete;
  LedgerBook& operator=(const LedgerBook&) = delete;

  // Looks at what shards asked for; with each tick also at rates and at what is idle.
  void look(LimitTime now);
  void tick(LimitTime now);

  // What to send now; null when nothing is due or all lanes are taken. Stays valid until it is
  // answered by one of the two below.
  [[nodiscard]] const LedgerCall* next_call(LimitTime now);
  void on_reply(uint32_t lane, const LedgerReply& reply, LimitTime now);
  // Nothing has come within its time: it is sent again when the ledger is back.
  void on_loss(uint32_t lane, LimitTime now);

  [[nodiscard]] State state() const noexcept { return state_; }
  // Whether it went on where a note said.
  [[nodiscard]] bool was_restored() const noexcept { return was_restored_; }
  // Those that asked, and to which there is an answer, of whatever kind.
  [[nodiscard]] Shards take_answered() noexcept { return std::exchange(answered_, {}); }
  // The rules of which another gateway has a lower limit, since the last call; each once.
  [[nodiscard]] std::vector<uint64_t> take_differing() noexcept { return std::move(differing_); }
  [[nodiscard]] Figures& figures() noexcept { return figures_; }
  [[nodiscard]] size_t hot_count() const noexcept { return hot_.size(); }
  [[nodiscard]] bool has_calls_in_flight() const noexcept;

  // While no call is in flight: what another book needs to go on, at most `bytes_max`. What finds
  // no room is given up, and returns when its slot or its part ends. This book is then only
  // destroyed.
  [[nodiscard]] std::string leave(size_t bytes_max);

 private:
  static constexpr uint32_t kIdleTicks = 2;  // Until unused credit goes back.
  static constexpr microseconds kColdAfter = seconds(1);
  static constexpr microseconds kPartIdle = seconds(10);  // Until an unused part goes back.
  static constexpr microseconds kBeat = seconds(1);       // Of parts and greetings.
  static constexpr microseconds kContendedBeat = milliseconds(100);
  static constexpr microseconds kPartFresh = seconds(5);        // Less than Ledger::kSilence.
  static constexpr microseconds kProbeGap = milliseconds(100);  // While it is lost.
  static constexpr microseconds kResendMost = seconds(300);     // Then a call is given up.
  static constexpr microseconds kCreditLength = seconds(600);   // At most, of calendar windows.
  static constexpr size_t kDifferingMost = 1024;

  struct Hot;
  struct Flight {
    enum class Stage : uint8_t { kFree, kSent, kUnanswered };
    Stage stage = Stage::kFree;
    LedgerCall call;
    std::vector<Hot*> subjects;  // Of its asks.
    LimitTime first_sent;
    LimitTime sent;
  };

  Hot* warm(limit::Bank& bank);
  void cool_down();
  void plan(Hot& hot, LimitTime now);
  void plan_granted(Hot& hot, LimitTime now);
  void plan_split(Hot& hot, LimitTime now);
  void tend_credit(Hot& hot, LimitTime now);
  void push_due(Hot& hot);
  [[nodiscard]] int64_t forecast(const Hot& hot) const noexcept;
  [[nodiscard]] bool is_short(const Hot& hot, LimitTime now) const noexcept;
  // False when there is nothing to say about it now.
  [[nodiscard]] bool fill(Hot& hot, LimitTime now, LedgerAsk& ask);
  void fill_split(Hot& hot, LimitTime now, LedgerAsk& ask);
  void note_answer(Hot& hot, const LedgerAsk& ask, const LedgerAnswer& answer, LimitTime sent,
                   LimitTime now);
  void note_granted(Hot& hot, const LedgerAsk& ask, const LedgerAnswer& answer, LimitTime sent,
                    LimitTime now);
  void note_part(Hot& hot, const LedgerAsk& ask, const LedgerAnswer& answer, LimitTime sent,
                 LimitTime now);
  static void note_return(Hot& hot, int64_t amount, int64_t slot) noexcept;
  void note_buckets(const Flight& flight, const LedgerReply& reply, LimitTime now);
  void owe_bucket(uint32_t bucket, const Flight& flight, LimitTime now);
  void keep_unanswered(Flight& flight, const LedgerReply& reply);
  void give_up(Flight& flight);
  void free_flight(Flight& flight);
  // What was used without the ledger, and what is in flight.
  void collect(LimitTime now);
  void lose(State state, LimitTime now);
  void begin_careful(Hot& hot, LimitTime now);
  void end_careful(Hot& hot, LimitTime now);
  void come_back(LimitTime now);
  void answer_waiting() noexcept;
  // False, with nothing changed, for a note that this version did not make.
  [[nodiscard]] bool restore(std::string_view note);

  Parts parts_;
  State state_ = State::kLost;
  bool was_restored_ = false;
  bool is_collected_ = false;  // Since it was lost.
  std::vector<std::unique_ptr<Hot>> hot_;
  absl::flat_hash_map<const limit::Bank*, Hot*> by_bank_;
  std::deque<Hot*> due_;  // At most all that are hot.
  std::array<Flight, Ledger::kLanes> flights_;
  std::array<int64_t, kLedgerBuckets> since_{};
  std::array<LimitTime, kLedgerBuckets> learning_until_{};
  uint64_t next_batch_ = 1;
  LimitTime ticked_at_;
  LimitTime next_greeting_;
  microseconds round_trip_ = milliseconds(1);
  Shards waiting_{};
  Shards answered_{};
  std::vector<uint64_t> differing_;
  absl::flat_hash_map<uint64_t, bool> known_differing_;
  Figures figures_;
};

}  // namespace sluice::control
