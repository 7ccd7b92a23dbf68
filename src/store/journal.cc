#include <sluice/store/journal.h>

#include <time.h>

#include <utility>

#include <sluice/base/assert.h>
#include <sluice/base/deadline.h>

#include "journal_files.h"
#include "journal_frame.h"

namespace sluice::store {

// The lanes stand last, so that their threads end before what they use.
struct Journal::Parts {
  Parts(JournalOptions asked, io::OffloadReturns& back, FileCalls& calls)
      : options(std::move(asked)), returns(back), files(options.directory, calls) {}

  JournalOptions options;
  io::OffloadReturns& returns;
  JournalFiles files;
  // A sync may take long on a busy disk; writes go on beside it.
  std::unique_ptr<io::Lane> write_lane = std::make_unique<io::Lane>();
  std::unique_ptr<io::Lane> sync_lane = std::make_unique<io::Lane>();
};

struct Journal::WriteOutcome {
  size_t written = 0;
  bool is_done = false;
  bool is_rotated = false;
  std::string problem;
};

std::expected<std::unique_ptr<Journal>, std::string> Journal::open(
    JournalOptions options, io::OffloadReturns& returns, FileCalls& calls, JournalVisitor& visitor,
    std::vector<JournalNote>* notes) {
  auto parts = std::make_unique<Parts>(std::move(options), returns, calls);
  JournalFiles& files = parts->files;
  const bool is_written = parts->options.is_written;
  if (!files.lock() || !files.replay(visitor, notes, is_written))
    return std::unexpected(files.problem());
  return std::unique_ptr<Journal>(new Journal(std::move(parts)));
}

Journal::Journal(std::unique_ptr<Parts> parts) noexcept
    : parts_(std::move(parts)), segment_bytes_(parts_->files.bytes()) {}

Journal::~Journal() = default;

std::expected<void, std::string> Journal::read_on(JournalVisitor& visitor,
                                                  std::vector<JournalNote>* notes) {
  if (!parts_->files.read_on(visitor, notes)) return std::unexpected(parts_->files.problem());
  segment_bytes_ = parts_->files.bytes();
  return {};
}

void Journal::rejoin(std::vector<JournalNote>* notes) {
  SLUICE_ASSERT(!is_busy());
  if (!parts_->files.rejoin(notes)) note_failure(kWriting, parts_->files.problem());
  segment_bytes_ = parts_->files.bytes();
}

bool Journal::append(std::string_view payload, MonoTime now) {
  now_ = now;
  if (waiting_.size() + batch_.size() + payload.size() + kFrameHeadBytes > kWaitingBytesMost) {
    return false;
  }
  if (waiting_.empty()) waiting_since_ = now;
  append_frame(waiting_, payload);
  ++appended_;
  return true;
}

void Journal::advance(MonoTime now) {
  now_ = now;
  const bool is_waiting =
      waiting_.size() >= kBatchBytes || (!waiting_.empty() && now >= write_after_);
  const bool is_failing = (failing_ & kWriting) != 0;
  // A batch that failed is written before anything else.
  const bool is_due = is_failing ? now >= write_after_ : !batch_.empty() || is_waiting;
  if (!is_writing_ && is_due && !is_all_written()) start_write(now, {});
  const bool is_sync_due =
      unsynced_since_ != MonoTime::max() && now - unsynced_since_ >= parts_->options.sync / 2;
  if (!is_syncing_ && is_sync_due && summary_.empty() && now >= sync_after_) start_sync(now);
}

bool Journal::is_full() const noexcept {
  return segment_bytes_ >= parts_->options.segment_bytes && !is_busy() &&
         (failing_ & kWriting) == 0 && now_ >= rotate_after_;
}

void Journal::rotate(const std::vector<std::string>& payloads) {
  SLUICE_ASSERT(is_full());
  std::string frames;
  for (const std::string& payload : payloads) append_frame(frames, payload);
  start_write(now_, std::move(frames));
}

void Journal::start_write(MonoTime now, std::string summary) {
  if (batch_.empty()) {
    batch_ = std::exchange(waiting_, {});
    batch_written_ = 0;
    batch_end_ = appended_;
    batch_since_ = std::exchange(waiting_since_, MonoTime::max());
  }
  summary_ = std::move(summary);
  // What is appended right after a write waits for this and then for the caller's next tick, which
  // together stay below the bound.
  write_after_ = now + parts_->options.flush / 4;
  is_writing_ = parts_->write_lane->post([this] {
    WriteOutcome outcome;
    JournalFiles& files = parts_->files;
    outcome.is_done =
        files.write(std::string_view(batch_).substr(batch_written_), &outcome.written);
    if (outcome.is_done && !summary_.empty()) outcome.is_rotated = files.rotate(summary_);
    const bool is_good = outcome.is_done && (summary_.empty() || outcome.is_rotated);
    if (!is_good) outcome.problem = files.problem();
    parts_->returns.push([this, outcome = std::move(outcome)] { on_written(outcome); });
  });
  SLUICE_ASSERT(is_writing_);  // One job at a time.
}

void Journal::on_written(const WriteOutcome& outcome) {
  is_writing_ = false;
  batch_written_ += outcome.written;
  segment_bytes_ += outcome.written;
  if (outcome.written > 0 && unsynced_since_ == MonoTime::max()) unsynced_since_ = now_;
  const bool had_summary = !std::exchange(summary_, {}).empty();
  if (outcome.is_done) {
    batch_.clear();
    written_ = batch_end_;
    batch_since_ = MonoTime::max();
    note_success(kWriting);
  } else {
    write_after_ = now_ + kRetryGap;
    note_failure(kWriting, outcome.problem);
  }
  if (outcome.is_rotated) {
    segment_bytes_ = 0;
    unsynced_since_ = MonoTime::max();
    note_success(kRotating);
  } else if (had_summary && outcome.is_done) {
    rotate_after_ = now_ + kRotateRetryGap;
    note_failure(kRotating, outcome.problem);
  }
}

void Journal::start_sync(MonoTime now) {
  unsynced_since_ = MonoTime::max();
  sync_after_ = now + kRetryGap;
  is_syncing_ = parts_->sync_lane->post([this] {
    const bool is_done = parts_->files.sync();
    std::string problem = is_done ? std::string() : parts_->files.sync_problem();
    parts_->returns.push(
        [this, is_done, problem = std::move(problem)] { on_synced(is_done, problem); });
  });
  SLUICE_ASSERT(is_syncing_);
}

void Journal::on_synced(bool is_done, std::string problem) {
  is_syncing_ = false;
  if (is_done) return note_success(kSyncing);
  if (unsynced_since_ == MonoTime::max()) unsynced_since_ = now_;
  note_failure(kSyncing, std::move(problem));
}

void Journal::note_failure(unsigned part, std::string problem) {
  ++errors_;
  if ((failing_ & part) == 0) note_ = {true, std::move(problem)};
  failing_ |= part;
}

void Journal::note_success(unsigned part) {
  if (failing_ == 0) return;
  failing_ &= ~part;
  if (failing_ == 0) note_ = {false, "the journal is written again"};
}

bool Journal::finish(Clock& clock, Duration patience) {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 1'000'000};
  const Deadline end{clock.now() + patience};
  const uint64_t errors_before = errors_;
  for (;;) {
    now_ = clock.now();
    parts_->returns.run();
    if (errors_ != errors_before) return false;
    if (!is_busy()) {
      if (!is_all_written()) {
        start_write(now_, {});
      } else if (unsynced_since_ != MonoTime::max()) {
        start_sync(now_);
      } else {
        return true;
      }
    }
    if (end.has_passed(now_)) return false;
    ::nanosleep(&kPause, nullptr);  // tidy: allow(blocking) the shards have ended; nobody waits
  }
}

Duration Journal::lag(MonoTime now) const noexcept {
  const MonoTime oldest = batch_.empty() ? waiting_since_ : batch_since_;
  return oldest == MonoTime::max() || oldest >= now ? Duration::zero() : now - oldest;
}

uint64_t Journal::take_errors() noexcept { return std::exchange(errors_, 0); }

JournalNote Journal::take_note() noexcept { return std::exchange(note_, {}); }

}  // namespace sluice::store
