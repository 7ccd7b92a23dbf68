// An append-only journal in segments: written in batches on a lane, read once at the start.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/io/offload.h>
#include <sluice/store/file_calls.h>

namespace sluice::store {

struct JournalOptions {
  std::string directory;
  Duration flush = milliseconds(50);   // Between append() and the file, at most.
  Duration sync = seconds(1);          // Between the file and the disk, at most.
  uint64_t segment_bytes = 64u << 20;  // Of appended frames, after which a new segment is due.
  // A predecessor, whose lock this process has inherited, still appends, and begins no segment.
  bool is_written = false;
};

// What replay() could not read, for the log.
struct JournalNote {
  bool is_error = false;  // Otherwise the usual torn end of a process that was killed.
  std::string text;
};

class JournalVisitor {
 public:
  virtual ~JournalVisitor() = default;
  // `payload` lives until the call returns.
  virtual void on_payload(std::string_view payload) = 0;
};

// Payloads in, the same payloads in the same order out in the next process. What they mean is the
// owner's business.
//
// Control thread only. append() never waits: what the disk does not take is kept, up to
// kWaitingBytesMost, and tried again every kRetryGap. The bounds of `flush` and `sync` hold when
// advance() is called at least every flush / 2 and the disk keeps up.
class Journal {
 public:
  static constexpr size_t kWaitingBytesMost = 64u << 20;
  static constexpr Duration kRetryGap = milliseconds(250);
  static constexpr Duration kRotateRetryGap = seconds(10);
  // A batch of this size is written at once.
  static constexpr size_t kBatchBytes = 256u << 10;

  // Takes the directory and reads it; blocks. The error is a sentence with cause and remedy.
  // `returns` and `calls` outlive the journal.
  [[nodiscard]] static std::expected<std::unique_ptr<Journal>, std::string> open(
      JournalOptions options, io::OffloadReturns& returns, FileCalls& calls,
      JournalVisitor& visitor, std::vector<JournalNote>* notes);
  // Ends its lanes after what they do now; what waits is lost unless finish() was called before.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // With is_written, before anything is appended, when the predecessor appends no more: shows what
  // it has appended since the files were read. Blocks; the error is a sentence.
  [[nodiscard]] std::expected<void, std::string> read_on(JournalVisitor& visitor,
                                                         std::vector<JournalNote>* notes);
  // A successor has written and does no more: goes on behind it. Blocks. Nothing may be under way.
  void rejoin(std::vector<JournalNote>* notes);

  // False when it is lost, because kWaitingBytesMost wait for the disk already.
  bool append(std::string_view payload, MonoTime now);
  // What waits is due now.
  void hurry() noexcept { write_after_ = MonoTime::min(); }
  // Starts the writes that are due.
  void advance(MonoTime now);
  // Whether the segment is full and rotate() would begin a new one now.
  [[nodiscard]] bool is_full() const noexcept;
  // Begins a segment with `payloads`, which stand for all that was appended before; older segments
  // are deleted. Only when is_full().
  void rotate(const std::vector<std::string>& payloads);

  // Writes and syncs what waits; blocks at most `patience`. False when the disk refused, or when
  // it hangs: then is_busy() stays true, and the journal cannot be destroyed soon.
  bool finish(Clock& clock, Duration patience);

  // Whether a segment is begun just now.
  [[nodiscard]] bool is_rotating() const noexcept { return !summary_.empty(); }
  // Whether a call to the disk runs.
  [[nodiscard]] bool is_busy() const noexcept { return is_writing_ || is_syncing_; }
  [[nodiscard]] bool is_all_written() const noexcept { return waiting_.empty() && batch_.empty(); }
  // Payloads that append() has taken, and the first of them that need not be waited for: they are
  // in the file, or the disk refuses them.
  [[nodiscard]] uint64_t appended() const noexcept { return appended_; }
  [[nodiscard]] uint64_t written() const noexcept {
    return (failing_ & kWriting) != 0 ? appended_ : written_;
  }
  // Age of the oldest payload that is not in the file; zero when all are.
  [[nodiscard]] Duration lag(MonoTime now) const noexcept;
  // Failures since the last call.
  [[nodiscard]] uint64_t take_errors() noexcept;
  // What failed first since all was well, or that all is well again; "" when nothing is new.
  [[nodiscard]] JournalNote take_note() noexcept;

 private:
  struct Parts;
  struct WriteOutcome;
  static constexpr unsigned kWriting = 1;
  static constexpr unsigned kRotating = 2;
  static constexpr unsigned kSyncing = 4;
  explicit Journal(std::unique_ptr<Parts> parts) noexcept;

  void start_write(MonoTime now, std::string summary);
  void on_written(const WriteOutcome& outcome);
  void start_sync(MonoTime now);
  void on_synced(bool is_done, std::string problem);
  void note_failure(unsigned part, std::string problem);
  void note_success(unsigned part);

  std::unique_ptr<Parts> parts_;
  std::string waiting_;  // Frames that no batch has taken.
  std::string batch_;    // What the lane writes; read by it while is_writing_.
  size_t batch_written_ = 0;
  uint64_t appended_ = 0;
  uint64_t batch_end_ = 0;  // Of `appended_`, when the batch was taken.
  uint64_t written_ = 0;
  std::string summary_;  // Of a rotation that runs.
  bool is_writing_ = false;
  bool is_syncing_ = false;
  MonoTime waiting_since_ = MonoTime::max();
  MonoTime batch_since_ = MonoTime::max();
  MonoTime write_after_ = MonoTime::min();
  MonoTime sync_after_ = MonoTime::min();
  MonoTime rotate_after_ = MonoTime::min();
  MonoTime unsynced_since_ = MonoTime::max();
  MonoTime now_ = MonoTime::min();  // Of the last call that brought the time.
  uint64_t segment_bytes_ = 0;      // Appended to the present segment.
  uint64_t errors_ = 0;
  unsigned failing_ = 0;  // What does not work: bits of kWriting, kRotating, kSyncing.
  JournalNote note_;
};

}  // namespace sluice::store
