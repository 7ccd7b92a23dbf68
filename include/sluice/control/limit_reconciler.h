// Keeps what this gateway counts in agreement with the other gateways.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <absl/container/flat_hash_map.h>

#include <sluice/base/log.h>
#include <sluice/config/snapshot.h>
#include <sluice/control/ledger_book.h>
#include <sluice/io/ring.h>
#include <sluice/io/timer.h>
#include <sluice/metrics/registry.h>
#include <sluice/shard/gate.h>

namespace sluice::control {

// Asks the ledger each tick, and at once when a shard asks; what is not answered within `wait_max`
// counts as lost, so that requests follow their rule's on_loss. One log line says when the ledger
// is lost and when it is back. Without a ledger only idle banks are swept.
//
// In an upgrade the predecessor's leaves, and the successor's goes on where it stood, by the banks
// that both share: for the ledger it is one gateway throughout.
//
// Control thread. Await end() before it dies, once start() was called.
class LimitReconciler {
 public:
  static constexpr Duration kIdleTick = milliseconds(200);  // While nothing is hot.
  static constexpr Duration kSweepTick = seconds(1);
  // Banks that one sweep looks at: some, and never less than a part of all.
  static constexpr uint32_t kSweepMin = 4096;
  static constexpr uint32_t kSweepParts = 256;
  // How long a successor waits for what its predecessor has promised to leave, and between looks.
  static constexpr Duration kNotePatience = milliseconds(200);
  static constexpr Duration kNoteLook = milliseconds(1);
  // How long a start waits for the ledger: for a connection, and what is asked to find it, also
  // where both are slow.
  static constexpr Duration kMeetingMost = seconds(1);

  struct Parts {
    io::Ring& ring;
    limit::BankTable& banks;
    metrics::Registry& registry;
    Logger& log;
    Ledger* ledger = nullptr;  // Null without Redis.
    Duration tick = milliseconds(20);
    Duration wait_max = milliseconds(50);
    uint32_t gateways = 1;
    std::string place;  // Of the ledger: a note of another one is of no use.
  };

  // All outlive the reconciler.
  explicit LimitReconciler(Parts parts);

  // Learns the names of the rules, for the log.
  void follow(const config::Snapshot& snapshot);
  // From now on the ledger is what counts; lost until its first answer, unless a predecessor has
  // left what it knew.
  void start();
  // Once, behind start() and before anybody is served: until the ledger is up, or learns, so that
  // nobody is admitted beside what others have used; kMeetingMost at the most. Then a line says
  // that on_loss holds. Suspends.
  Task<void> meet_ledger();
  // A successor speaks from now on, and its start() may come at once: asks no more, leaves what is
  // known as soon as no answer is on its way, and then only tells the shards to look again.
  // Suspends.
  Task<void> leave();
  [[nodiscard]] bool is_quiet() const noexcept { return gate_.inside() == 0; }
  // Asks no more, and waits for the answers on their way. Suspends.
  Task<void> end();

  // Whether a shard asks, or is to hear of an answer.
  [[nodiscard]] bool has_work() const noexcept;
  // Sends what shards ask. Returns those that are to look for grants.
  [[nodiscard]] LedgerBook::Shards run();

  [[nodiscard]] bool is_up() const noexcept;

 private:
  Task<void> tick();
  // Until the predecessor has left its note, or will not.
  Task<void> await_note();
  void take_note();
  Task<void> ask(const LedgerCall* call);
  void drive();
  void sweep();
  void report();
  [[nodiscard]] limit::LimitTime now() const noexcept;

  Parts parts_;
  std::optional<LedgerBook> book_;
  shard::Gate gate_;
  io::Timer timer_;
  io::Event over_;
  io::Event hurried_;
  io::Event met_;  // Something has come of a question, while meet_ledger() waits.
  LedgerBook::State told_ = LedgerBook::State::kUp;  // In the log; nothing is said of a good start.
  LedgerBook::Shards answered_{};
  std::string reason_;  // Of the last loss.
  MonoTime swept_at_;
  MonoTime ticked_at_;
  absl::flat_hash_map<uint64_t, std::string> names_;  // Of rules, by BankKey::rule.
  uint64_t commands_ = 0;
  uint64_t asks_ = 0;
  uint64_t terms_differ_ = 0;
  uint32_t asks_in_flight_ = 0;
  io::Event answered_all_;
  bool has_begun_ = false;  // Without a wait for a note.
  bool is_meeting_ = false;
  bool is_leaving_ = false;
};

}  // namespace sluice::control
