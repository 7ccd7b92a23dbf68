// The shards' spend records to the journal and to the book; the book out of the journal at start.
#pragma once

#include <algorithm>
#include <deque>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/base/log.h>
#include <sluice/config/limiting.h>
#include <sluice/control/spend_book.h>
#include <sluice/control/spend_heir.h>
#include <sluice/control/usage_log.h>
#include <sluice/metrics/cells.h>
#include <sluice/store/journal.h>
#include <sluice/telemetry/record_ring.h>
#include <sluice/usage/spend_record.h>

namespace sluice::control {

// From a shard, which pushes, to the control thread. Full, it loses a record and counts it.
using SpendRing = telemetry::BasicRing<usage::SpendRecord>;

// Everything outlives the journal.
struct SpendParts {
  config::JournalSettings settings;
  std::vector<SpendRing*> rings;
  io::OffloadReturns& returns;
  store::FileCalls& calls;
  Clock& clock;
  metrics::ControlCells& cells;
  Logger& log;
  UsageLog* usage = nullptr;  // Told of each exchange that has ended; null without a usage log.
  // Exchanges without an end are those of a process that lives, and the files are read only, until
  // take_over().
  bool has_predecessor = false;
};

// Of every exchange the journal holds what was set aside and one end. An exchange that has no end
// when the journal is read belongs to a process that died: it is booked at what was set aside, and
// that end is written first of all, so that the next start does not book it again.
//
// In an upgrade the successor reads the files while the predecessor still writes them, freeze() of
// which keeps them in place. When the successor is ready the predecessor holds its records back for
// the moment that its last write takes; the successor then reads on and is the one who writes. What
// was held back, and all that comes later, is sent to it, who books and writes it; what it cannot
// take waits here, up to kHeldMost. So each record is in the files once, whoever is killed when. A
// record has its run and its exchange, so that those of both are told apart.
//
// Control thread only; never waits for the disk after open(), but in finish(). collect() is to be
// called at least every tick_max().
class SpendJournal {
 public:
  // Exchanges under way that it remembers; one beyond is not booked should the process die.
  static constexpr size_t kOpenMost = 1u << 20;
  static constexpr Duration kFinishTime = seconds(10);
  // Records that are held back; beyond it they are lost and counted. About 60 MB.
  static constexpr size_t kHeldMost = 200'000;

  // Reads what earlier processes wrote; blocks, before anyone is served. The error is a sentence
  // with cause and remedy.
  [[nodiscard]] static std::expected<std::unique_ptr<SpendJournal>, std::string> open(
      SpendParts parts);
  ~SpendJournal();
  SpendJournal(const SpendJournal&) = delete;
  SpendJournal& operator=(const SpendJournal&) = delete;

  // Whether a ring has a record. Cheap.
  [[nodiscard]] bool has_records() const noexcept;
  // Books and writes what the shards have recorded. False when there was nothing.
  bool collect(MonoTime now);
  // Whether a call to the disk runs; not to be destroyed then while `returns` is still turned.
  [[nodiscard]] bool is_busy() const noexcept { return journal_->is_busy(); }
  // So that the bound `flush` holds; at least 1 ms, so that a tiny bound is not a busy loop.
  [[nodiscard]] Duration tick_max() const noexcept {
    return std::max<Duration>(parts_.settings.flush / 2, milliseconds(1));
  }
  // Books, writes and syncs the rest, when the shards have ended; blocks. Turns no ring: what a
  // lane does now is waited for at most kFinishTime. False when something is not on the disk; then
  // it must not be destroyed if is_hanging().
  bool finish();
  [[nodiscard]] bool is_hanging() const noexcept { return is_hanging_; }

  // --- the predecessor's side of an upgrade ------------------------------------------------------
  // No segment is begun, so that a successor can read those that are there. Once is_frozen().
  void freeze() noexcept { freezes_ = true; }
  [[nodiscard]] bool is_frozen() const noexcept { return freezes_ && !journal_->is_rotating(); }
  // Books and writes nothing more; what was recorded before goes to the files.
  void hold(MonoTime now);
  // Whether all that was recorded before hold() is in the files.
  [[nodiscard]] bool is_settled() const noexcept;
  // Whether what is held comes near its bound: then there is no time for an upgrade.
  [[nodiscard]] bool is_overfull() const noexcept { return held_.size() > kHeldMost / 2; }
  // There is no successor: books and writes what was held, and goes on.
  void resume(MonoTime now);
  // From now on records go to `heir`, which outlives the journal; to the end of the files again
  // when it is gone, which then stay in place: only a process that has read them may sum them up.
  void hand_over(SpendHeir& heir) noexcept { heir_ = &heir; }

  // --- the successor's side ----------------------------------------------------------------------
  // The predecessor writes no more: books what it has written since open(), and writes from now on.
  // Blocks, before anyone is served. The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> take_over();
  // What the predecessor's journal gave to its heir. False for bytes that are no batch.
  bool take_batch(std::string_view batch, MonoTime now);
  // Its exchanges that have not ended are booked as those of a process that died.
  void predecessor_ended(MonoTime now);

  [[nodiscard]] SpendBook& book() noexcept { return book_; }
  [[nodiscard]] const SpendBook& book() const noexcept { return book_; }

 private:
  class Replay;
  explicit SpendJournal(SpendParts parts) noexcept;

  uint32_t drain_rings(MonoTime now);
  void take(const usage::SpendRecord& record, MonoTime now);
  void write(const usage::SpendRecord& record, MonoTime now);
  // Moves the book, and tells the usage log of ends, once they were given to the journal.
  void apply(const usage::SpendRecord& record);
  void book_end(const usage::SpendRecord& end);
  void tell_usage(const usage::SpendRecord& end);
  void close_dangling(MonoTime now);
  void put(const usage::SpendRecord& record, MonoTime now);
  void hold_back(const usage::SpendRecord& record);
  void send_held(MonoTime now);
  [[nodiscard]] bool finish_held();
  void begin_segment();
  void note(MonoTime now);
  void tell(const std::vector<store::JournalNote>& notes);

  SpendParts parts_;
  SpendBook book_;
  using RunAndExchange = std::pair<uint64_t, uint64_t>;
  absl::flat_hash_map<RunAndExchange, usage::SpendRecord> open_;
  std::deque<std::string> held_;  // Encoded.
  SpendHeir* heir_ = nullptr;
  bool freezes_ = false;
  bool is_holding_ = false;
  std::unique_ptr<store::Journal> journal_;
  std::string scratch_;
  uint64_t run_ = 0;  // Of this process; never 0.
  bool is_replaying_ = true;
  bool is_usage_good_ = true;  // While replaying.
  bool is_hanging_ = false;
};

}  // namespace sluice::control
