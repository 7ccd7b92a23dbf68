#include <sluice/control/spend_journal.h>

#include <ctime>
#include <utility>

#include <fmt/format.h>

#include <sluice/crypto/random.h>

namespace sluice::control {
namespace {

// The first byte of a payload; others are of a spend record.
constexpr char kSummaryBegin = 3;
constexpr char kSummaryRow = 4;
// An end that the summary has booked and the usage log has not yet.
constexpr char kSummaryEnd = 6;

constexpr uint32_t kDrainMost = 8192;  // Of one ring in one call.
constexpr Duration kSlowReplay = seconds(2);

// What is booked for an exchange whose process died.
usage::SpendRecord end_of(const usage::SpendRecord& opened) {
  usage::SpendRecord end = opened;
  end.kind = usage::SpendKind::kSettled;
  end.source = usage::SpendSource::kUnknown;
  end.is_partial = true;
  return end;
}

}  // namespace

class SpendJournal::Replay final : public store::JournalVisitor {
 public:
  explicit Replay(SpendJournal& owner) noexcept
      : owner_(owner), next_note_{owner.parts_.clock.now() + kSlowReplay} {}

  void on_payload(std::string_view payload) override {
    ++count_;
    if (count_ % 65'536 == 0) note_progress();
    if (payload.front() == kSummaryBegin) {
      owner_.book_.clear();
      owner_.open_.clear();
    } else if (payload.front() == kSummaryRow) {
      if (!owner_.book_.restore(payload.substr(1))) ++unread_;
    } else if (payload.front() == kSummaryEnd) {
      const auto end = usage::read_spend(payload.substr(1));
      if (end) {
        owner_.tell_usage(*end);
      } else {
        ++unread_;
      }
    } else if (const auto record = usage::read_spend(payload)) {
      owner_.apply(*record);
    } else {
      ++unread_;
    }
  }
  [[nodiscard]] uint64_t unread() const noexcept { return unread_; }

 private:
  void note_progress() {
    const MonoTime now = owner_.parts_.clock.now();
    if (now < next_note_) return;
    next_note_ = now + kSlowReplay;
    owner_.parts_.log.write(
        LogLevel::kInfo, "journal",
        fmt::format("reading {}: {} records so far", owner_.parts_.settings.directory, count_));
  }

  SpendJournal& owner_;
  MonoTime next_note_;
  uint64_t count_ = 0;
  uint64_t unread_ = 0;
};

std::expected<std::unique_ptr<SpendJournal>, std::string> SpendJournal::open(SpendParts parts) {
  std::unique_ptr<SpendJournal> journal(new SpendJournal(std::move(parts)));
  const SpendParts& given = journal->parts_;
  Replay replay(*journal);
  std::vector<store::JournalNote> notes;
  auto opened = store::Journal::open({.directory = given.settings.directory,
                                      .flush = given.settings.flush,
                                      .sync = given.settings.sync,
                                      .segment_bytes = given.settings.segment_bytes,
                                      .is_written = given.has_predecessor},
                                     given.returns, given.calls, replay, &notes);
  journal->tell(notes);
  if (!opened) return std::unexpected(std::move(opened.error()));
  journal->journal_ = std::move(*opened);
  if (replay.unread() > 0) {
    journal->tell(
        {{true, fmt::format("{} records in {} are not of this version and were passed over",
                            replay.unread(), given.settings.directory)}});
  }
  if (!given.has_predecessor) journal->close_dangling(given.clock.now());
  if (given.usage != nullptr && (!journal->is_usage_good_ || !given.usage->end_replay())) {
    return std::unexpected(given.usage->problem());
  }
  journal->is_replaying_ = false;
  journal->freezes_ = given.has_predecessor;
  return journal;
}

SpendJournal::SpendJournal(SpendParts parts) noexcept : parts_(std::move(parts)) {
  crypto::RandomSource random;
  while (run_ == 0) run_ = random.next_u64();
}

SpendJournal::~SpendJournal() = default;

bool SpendJournal::has_records() const noexcept {
  for (const SpendRing* ring : parts_.rings) {
    if (ring->has_records()) return true;
  }
  return false;
}

bool SpendJournal::collect(MonoTime now) {
  const uint32_t count = drain_rings(now);
  if (heir_ != nullptr) send_held(now);
  if (journal_->is_full() && !freezes_) begin_segment();
  journal_->advance(now);
  if (parts_.usage != nullptr) parts_.usage->follow_journal(journal_->written());
  note(now);
  return count > 0;
}

uint32_t SpendJournal::drain_rings(MonoTime now) {
  uint32_t count = 0;
  for (SpendRing* ring : parts_.rings) {
    count += ring->drain(kDrainMost,
                         [this, now](const usage::SpendRecord& record) { take(record, now); });
  }
  return count;
}

void SpendJournal::take(const usage::SpendRecord& record, MonoTime now) {
  usage::SpendRecord stamped = record;
  stamped.run = run_;
  put(stamped, now);
}

void SpendJournal::put(const usage::SpendRecord& record, MonoTime now) {
  if (is_holding_) return hold_back(record);
  write(record, now);
  apply(record);
}

void SpendJournal::write(const usage::SpendRecord& record, MonoTime now) {
  scratch_.clear();
  usage::append_spend(scratch_, record);
  if (!journal_->append(scratch_, now)) {
    parts_.cells.journal_lost.add();
    return;
  }
  parts_.cells
      .journal_records[record.kind == usage::SpendKind::kOpened ? metrics::JournalRecord::kOpened
                                                                : metrics::JournalRecord::kSettled]
      .add();
}

void SpendJournal::apply(const usage::SpendRecord& record) {
  if (record.kind == usage::SpendKind::kSettled) {
    open_.erase({record.run, record.exchange});
    return book_end(record);
  }
  if (open_.size() >= kOpenMost) return;
  const auto [place, is_new] = open_.try_emplace({record.run, record.exchange}, record);
  // The number of a process that died and whose ends were lost, too.
  if (!is_new) book_end(end_of(std::exchange(place->second, record)));
}

void SpendJournal::book_end(const usage::SpendRecord& end) {
  book_.add(end);
  tell_usage(end);
}

void SpendJournal::tell_usage(const usage::SpendRecord& end) {
  if (parts_.usage == nullptr) return;
  if (is_replaying_) {
    is_usage_good_ = is_usage_good_ && parts_.usage->replay(end);
  } else {
    parts_.usage->push(end, journal_->appended());
  }
}

void SpendJournal::close_dangling(MonoTime now) {
  uint64_t micro_dollars = 0;
  size_t count = 0;
  for (const auto& [id, opened] : open_) {
    if (opened.run == run_) continue;
    ++count;
    const usage::SpendRecord end = end_of(opened);
    micro_dollars += end.cost_micro_dollars.value_or(0);
    write(end, now);
    book_end(end);
  }
  if (count == 0) return;
  parts_.log.write(
      LogLevel::kWarn, "journal",
      fmt::format("{} requests ran when the last process died; they are booked at what was set "
                  "aside for them, ${}.{:06} together",
                  count, micro_dollars / 1'000'000, micro_dollars % 1'000'000));
  absl::erase_if(open_, [this](const auto& item) { return item.first.first != run_; });
}

void SpendJournal::begin_segment() {
  std::vector<std::string> payloads = {std::string(1, kSummaryBegin)};
  book_.write_rows(&payloads);
  for (size_t i = 1; i < payloads.size(); ++i) payloads[i].insert(0, 1, kSummaryRow);
  for (const auto& [id, opened] : open_) {
    usage::append_spend(payloads.emplace_back(), opened);
  }
  if (parts_.usage != nullptr) {
    parts_.usage->show_waiting(
        [&payloads](std::string_view end) { payloads.emplace_back(1, kSummaryEnd).append(end); });
  }
  journal_->rotate(payloads);
}

void SpendJournal::tell(const std::vector<store::JournalNote>& notes) {
  for (const store::JournalNote& note : notes) {
    parts_.log.write(note.is_error ? LogLevel::kError : LogLevel::kWarn, "journal", note.text);
  }
}

void SpendJournal::note(MonoTime now) {
  parts_.cells.journal_errors.add(journal_->take_errors());
  parts_.cells.journal_lag_us.set(journal_->lag(now) / microseconds(1));
  const store::JournalNote news = journal_->take_note();
  if (news.text.empty()) return;
  parts_.log.write(news.is_error ? LogLevel::kError : LogLevel::kInfo, "journal", news.text);
}

// --- an upgrade --------------------------------------------------------------------------------

void SpendJournal::hold(MonoTime now) {
  while (drain_rings(now) > 0) {
  }
  is_holding_ = true;
  journal_->hurry();
  journal_->advance(now);
}

bool SpendJournal::is_settled() const noexcept {
  return journal_->is_all_written() && !journal_->is_busy();
}

void SpendJournal::hold_back(const usage::SpendRecord& record) {
  if (held_.size() >= kHeldMost) {
    parts_.cells.journal_lost.add();
    return;
  }
  usage::append_spend(held_.emplace_back(), record);
}

void SpendJournal::resume(MonoTime now) {
  if (std::exchange(heir_, nullptr) == nullptr) {
    freezes_ = false;
  } else {
    std::vector<store::JournalNote> notes;
    journal_->rejoin(&notes);
    tell(notes);
  }
  is_holding_ = false;
  for (const std::string& encoded : std::exchange(held_, {})) {
    if (const auto record = usage::read_spend(encoded)) put(*record, now);
  }
}

void SpendJournal::send_held(MonoTime now) {
  while (!held_.empty()) {
    std::string batch;
    size_t count = 0;
    for (; count < held_.size(); ++count) {
      const std::string& record = held_[count];
      if (batch.size() + 2 + record.size() > SpendHeir::kBatchBytes) break;
      batch += static_cast<char>(record.size() & 0xff);
      batch += static_cast<char>(record.size() >> 8);
      batch += record;
    }
    switch (heir_->take(batch)) {
      case SpendHeir::Fate::kLater: return;
      case SpendHeir::Fate::kGone:
        // A write that is under way ends first.
        return journal_->is_busy() ? void() : resume(now);
      case SpendHeir::Fate::kTaken:
        held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(count));
        break;
    }
  }
}

std::expected<void, std::string> SpendJournal::take_over() {
  std::vector<store::JournalNote> notes;
  Replay replay(*this);
  auto done = journal_->read_on(replay, &notes);
  tell(notes);
  freezes_ = false;
  return done;
}

bool SpendJournal::take_batch(std::string_view batch, MonoTime now) {
  while (batch.size() >= 2) {
    const size_t size = static_cast<uint8_t>(batch[0]) | size_t{static_cast<uint8_t>(batch[1])}
                                                             << 8;
    if (batch.size() - 2 < size) return false;
    const auto record = usage::read_spend(batch.substr(2, size));
    if (!record) return false;
    put(*record, now);
    batch.remove_prefix(2 + size);
  }
  return batch.empty();
}

void SpendJournal::predecessor_ended(MonoTime now) { close_dangling(now); }

// Blocks, as finish() may.
bool SpendJournal::finish_held() {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 1'000'000};
  const Deadline patience{parts_.clock.now() + kFinishTime};
  while (heir_ != nullptr && !held_.empty() && !patience.has_passed(parts_.clock.now())) {
    parts_.returns.run();
    send_held(parts_.clock.now());
    // tidy: allow(blocking) the shards have ended; nobody waits
    if (heir_ != nullptr && !held_.empty()) ::nanosleep(&kPause, nullptr);
  }
  return held_.empty();
}

bool SpendJournal::finish() {
  while (drain_rings(parts_.clock.now()) > 0) {
  }
  if (is_holding_ && heir_ == nullptr) resume(parts_.clock.now());
  const bool is_sent = finish_held();
  const bool is_written = journal_->finish(parts_.clock, kFinishTime);
  is_hanging_ = !is_written && journal_->is_busy();
  const bool is_done = is_written && is_sent;
  note(parts_.clock.now());
  if (!is_done) {
    parts_.log.write(LogLevel::kError, "journal",
                     "the spend of the last moments is not on the disk; compare the journal with "
                     "the bills of the providers");
  }
  return is_done;
}

}  // namespace sluice::control
