// The banks of a gateway: found by key, made when first used, dropped when nothing counts.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include <sluice/base/ids.h>
#include <sluice/base/process_seat.h>
#include <sluice/limit/bank.h>

namespace sluice::limit {

class BankMemory;

// Any thread opens and closes; the control thread sweeps. Takes no lock: a record is claimed by a
// compare-and-swap, and kept while anybody has it open or anything counts in it.
//
// As many records as subjects_max, rounded up, are mapped at once, but take memory only when used.
//
// With a file, which is mapped, counts outlive the process, also a killed one: what its leases held
// counts as used.
//
// Processes that hand a gateway over to each other share one table: share_fd() of one is Parts::fd
// of the next. Counts, marks and the ledger's state are then the same for all of them, so a limit
// holds over all, at every moment. What a process has open or in flight is counted by its seat, and
// forgotten when it is gone; what the leases of a killed one held counts as used. Only one of them
// at a time speaks for the table: visits, sweeps, sets the ledger.
class BankTable {
 public:
  struct Parts {
    uint32_t subjects_max = 65'536;
    std::string file;  // "" is memory.
    int fd = -1;       // The table of a predecessor, which is as large as that one; taken over.
    MonoTime now;
    WallTime wall;
  };
  // The error is a sentence with cause and remedy.
  [[nodiscard]] static std::expected<std::unique_ptr<BankTable>, std::string> make(Parts parts);
  ~BankTable();
  BankTable(const BankTable&) = delete;
  BankTable& operator=(const BankTable&) = delete;

  // Follows the line of the earlier process that had the file, or is that of the predecessor.
  [[nodiscard]] const LimitClock& clock() const noexcept { return clock_; }
  // Whether the counts of an earlier process were found.
  [[nodiscard]] bool was_found() const noexcept { return was_found_; }

  // To be passed to a successor, and to nobody else; stays the table's. No duplicate of it may be
  // closed in this process: that would free its seat.
  [[nodiscard]] int share_fd() const noexcept;
  [[nodiscard]] ProcessSeat seat() const noexcept { return seat_; }
  // Whether other processes share the table. Cheap.
  [[nodiscard]] bool is_shared() const noexcept;
  // Forgets what processes that are gone had open or in flight. The one who speaks; at times while
  // is_shared().
  void recover() noexcept;
  // Where places of that name are counted, for all processes; without a word when there are too
  // many names. As long as the table.
  [[nodiscard]] SharedCount places(uint64_t name_hash) noexcept;

  // Stays where it is until close(), which is called once for each open(). Null when there is no
  // record left for a new subject.
  [[nodiscard]] Bank* open(const BankKey& key, const BankTerms& terms) noexcept;
  void close(Bank& bank) noexcept;
  // The same bank if it is open or counts something, without opening it; null otherwise. Control.
  [[nodiscard]] Bank* find(const BankKey& key) noexcept;

  // What the one who speaks leaves to the next one: promised before that one begins, and written as
  // soon as it can be. Bytes beyond kNoteBytes are none.
  enum class Note : uint32_t { kNone, kPromised, kWritten };
  static constexpr size_t kNoteBytes = 1u << 20;
  void promise_note() noexcept;
  void leave_note(std::string_view note) noexcept;
  [[nodiscard]] Note note_state() const noexcept;
  // What was written; "" when nothing was. It is then gone.
  [[nodiscard]] std::string take_note();

  // That something was taken from `bank`, or asked of it: the next visit sees it.
  void mark(const Bank& bank) noexcept;
  // Calls `visit(bank)` for each that was marked since the last visit. Control thread.
  template <class Visit>
  void visit_marked(Visit visit) {
    for (size_t i = 0; i < mark_words_; ++i) {
      if (marks_[i].load(std::memory_order_relaxed) == 0) continue;
      for (uint64_t bits = marks_[i].exchange(0); bits != 0; bits &= bits - 1) {
        visit(records_[i * 64 + static_cast<size_t>(std::countr_zero(bits))]);
      }
    }
  }
  // Looks at the next `count` records and frees those that nobody has open and in which nothing
  // counts. Control thread.
  void sweep(uint32_t count, LimitTime now) noexcept;
  // Writes down where the time line stands, for the next process. Control thread.
  void note_time(LimitTime now) noexcept;

  // Whether there is a ledger that grants, by which every bank is set, those to come too. Control.
  enum class Ledger : uint8_t {
    kNone,  // Each gateway for itself.
    kUp,
    kLost,  // What each rule's on_loss says.
  };
  // `gateways` share a limit at most.
  void set_ledger(Ledger ledger, uint32_t gateways) noexcept;
  [[nodiscard]] Ledger ledger() const noexcept {
    return static_cast<Ledger>(mode_->load(std::memory_order_relaxed) & 0xff);
  }
  // Calls `visit(bank)` for each that is in use. Control thread; rarely.
  template <class Visit>
  void visit_all(Visit visit) {
    for (size_t i = 0; i < sets_ * kWays; ++i) {
      if (is_certain(ids_[i].load())) visit(records_[i]);
    }
  }
  // Somebody on `shard` waits for the ledger's answer.
  void ask(ShardId shard) noexcept {
    asking_[shard.value / 64].fetch_or(uint64_t{1} << shard.value % 64);
  }
  [[nodiscard]] bool has_asks() const noexcept {
    return std::ranges::any_of(asking_, [](const auto& word) { return word.load() != 0; });
  }
  // The shards that asked since the last call, a bit each.
  [[nodiscard]] std::array<uint64_t, 4> take_asking() noexcept {
    std::array<uint64_t, 4> asking;
    std::ranges::transform(asking_, asking.begin(), [](auto& word) { return word.exchange(0); });
    return asking;
  }

  // Records in use, records in all, and the bytes of one.
  [[nodiscard]] uint32_t in_use() const noexcept { return in_use_->load(); }
  [[nodiscard]] uint32_t size() const noexcept { return static_cast<uint32_t>(sets_ * kWays); }
  static constexpr size_t kRecordBytes = sizeof(Bank);

 private:
  // A key's record lies in one of two sets that its hash names.
  static constexpr size_t kWays = 16;
  // Attempts to claim a record while others claim one for the same key, and what follows when one
  // of them was stopped just then: once in the life of a subject, if ever. The yields take some
  // milliseconds where nothing else wants the processor, as long as that one may have to wait.
  static constexpr int kClaimTries = 64;
  static constexpr int kClaimYields = 20'000;
  static constexpr int kLooksMost = 1000;
  // The high bits of an id while its claim is not yet certain: whose it is.
  static constexpr uint32_t kClaimShift = 61;
  static constexpr uint64_t kIdMask = (uint64_t{1} << kClaimShift) - 1;
  static constexpr size_t kNone = SIZE_MAX;

  BankTable() noexcept;
  [[nodiscard]] std::string take_seat() noexcept;
  void take_over(const Parts& parts) noexcept;
  void begin_anew(const Parts& parts) noexcept;
  void forget_seat(ProcessSeat seat) noexcept;
  static void apply(uint32_t mode, Bank& bank) noexcept;

  [[nodiscard]] static bool is_certain(uint64_t id) noexcept {
    return id != 0 && id >> kClaimShift == 0;
  }
  [[nodiscard]] uint64_t claim_of(uint64_t id) const noexcept {
    return id | uint64_t{seat_.number() + 1} << kClaimShift;
  }
  [[nodiscard]] uint64_t id_of(const BankKey& key) const noexcept;
  template <class Visit>
  [[nodiscard]] size_t first_of_ways(uint64_t id, Visit visit) const noexcept;
  [[nodiscard]] Bank* find_record(uint64_t id) const noexcept;
  [[nodiscard]] bool try_join(Bank& bank, uint64_t id) noexcept;
  [[nodiscard]] Bank* claim(uint64_t id, const BankKey& key, const BankTerms& terms) noexcept;
  [[nodiscard]] bool is_doubled(uint64_t id, size_t own) const noexcept;
  void free_record(size_t index) noexcept;

  std::unique_ptr<BankMemory> memory_;
  // Within the memory.
  std::atomic<uint64_t>* ids_ = nullptr;
  Bank* records_ = nullptr;
  std::atomic<uint64_t>* marks_ = nullptr;
  std::atomic<uint32_t>* mode_ = nullptr;  // Ledger, and the gateways above it.
  std::atomic<uint32_t>* in_use_ = nullptr;
  size_t sets_ = 0;
  size_t mark_words_ = 0;
  uint64_t seed_ = 0;
  ProcessSeat seat_;
  LimitClock clock_;
  bool was_found_ = false;
  size_t swept_ = 0;                               // Where the next sweep begins.
  std::array<std::atomic<uint64_t>, 4> asking_{};  // Of this process alone.
};

}  // namespace sluice::limit
