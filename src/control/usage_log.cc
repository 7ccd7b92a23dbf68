#include <sluice/control/usage_log.h>

#include <time.h>

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include <sluice/io/timer.h>
#include <sluice/shard/gate.h>

#include "usage_file.h"
#include "usage_reporter.h"
#include "usage_target.h"

namespace sluice::control {
namespace {

std::string encoded(const usage::SpendRecord& record) {
  std::string bytes;
  usage::append_spend(bytes, record);
  return bytes;
}

// What a new reporter needs from the disk.
struct ReporterStart {
  UsageResult<uint64_t> told = std::unexpected(std::string());
  UsageResult<std::string> authorities;
};

}  // namespace

// The lanes stand last, so that their threads end before what they use.
struct UsageLog::State final : public UsageFeed {
  explicit State(Parts given) : parts(std::move(given)), gate(parts.ring.ready()) {}

  [[nodiscard]] uint64_t last_number() const noexcept override { return last; }
  Task<UsageResult<std::vector<UsageRow>>> rows_after(uint64_t number, uint32_t most) override {
    auto job = [this, number, most] { return file->rows_after(number, most); };
    auto rows = co_await io::offload(*write_lane, parts.returns, job);
    if (!rows) co_return std::unexpected(std::string(kLaneFull));
    co_return std::move(*rows);
  }
  Task<UsageResult<void>> set_told(const std::string& reporter, uint64_t number) override {
    auto job = [this, &reporter, number] { return file->set_told(reporter, number); };
    auto done = co_await io::offload(*write_lane, parts.returns, job);
    if (!done) co_return std::unexpected(std::string(kLaneFull));
    co_return std::move(*done);
  }

  // One reporter. Removed when it is leaving and its tasks have ended.
  struct Seat {
    config::ReporterSettings settings;
    std::unique_ptr<UsageTarget> target;
    std::unique_ptr<UsageReporter> reporter;
    uint32_t tasks = 0;
    bool is_leaving = false;
  };
  // The error is a sentence that names the reporter.
  UsageResult<Seat*> seat(const config::ReporterSettings& settings, ReporterStart start);
  Task<void> serve(Seat* seat);
  Task<void> leave(Seat* seat);
  Task<void> join(config::ReporterSettings settings);
  void sweep(const Seat* seat);
  // The reporter that is furthest behind; UINT64_MAX without any.
  [[nodiscard]] uint64_t told() const noexcept {
    uint64_t told = UINT64_MAX;
    for (const auto& seat : seats) {
      if (!seat->is_leaving) told = std::min(told, seat->reporter->told());
    }
    return told;
  }

  static constexpr std::string_view kLaneFull = "the usage log's file is behind; try again";

  Parts parts;
  shard::Gate gate;
  std::unique_ptr<UsageFile> file;      // On the write lane, once the gateway serves.
  std::unique_ptr<UsageReader> reader;  // On the read lane.
  std::vector<std::unique_ptr<Seat>> seats;
  std::vector<std::string> replayed;  // A batch in the making.
  std::string problem;
  uint64_t last = 0;
  size_t questions = 0;
  bool is_ending = false;
  std::unique_ptr<io::Lane> write_lane = std::make_unique<io::Lane>();
  std::unique_ptr<io::Lane> read_lane = std::make_unique<io::Lane>();
};

struct UsageLog::Outcome {
  std::string problem;
  uint64_t added = 0;
  UsageFile::Trimmed trimmed;
  bool is_trimmed = false;
  uint64_t bytes = 0;
  uint64_t last = 0;
};

// --- the start ----------------------------------------------------------------------------------

std::expected<std::unique_ptr<UsageLog>, std::string> UsageLog::open(Parts parts) {
  auto state = std::make_unique<State>(std::move(parts));
  auto file = UsageFile::open(state->parts.settings.path);
  if (!file) return std::unexpected(std::move(file.error()));
  state->file = std::move(*file);
  auto reader = UsageReader::open(state->parts.settings.path);
  if (!reader) return std::unexpected(std::move(reader.error()));
  state->reader = std::move(*reader);
  auto last = state->file->last_number();
  if (!last) return std::unexpected(std::move(last.error()));
  state->last = *last;
  std::unique_ptr<UsageLog> log(new UsageLog(std::move(state)));
  if (auto opened = log->open_reporters(); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  return log;
}

UsageLog::UsageLog(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}

UsageLog::~UsageLog() = default;

// Before anything is replayed, so that a new reporter is told of that, too.
std::expected<void, std::string> UsageLog::open_reporters() {
  for (const config::ReporterSettings& settings : state_->parts.settings.reporters) {
    auto seat = state_->seat(settings, {.told = state_->file->told(settings.name),
                                        .authorities = read_authorities(settings.tls_ca)});
    if (!seat) return std::unexpected(std::move(seat.error()));
  }
  return {};
}

bool UsageLog::replay(const usage::SpendRecord& record) {
  if (record.run == 0) return true;
  state_->replayed.push_back(encoded(record));
  return state_->replayed.size() < kBatchMost || end_replay();
}

bool UsageLog::end_replay() {
  State& state = *state_;
  if (state.replayed.empty()) return true;
  auto added = state.file->add(state.replayed);
  auto last = added ? state.file->last_number() : added;
  if (!last) {
    state.problem = std::move(last.error());
    return false;
  }
  state.replayed.clear();
  state.last = *last;
  state.parts.cells.usage_records[metrics::UsageFate::kStored].add(*added);
  return true;
}

const std::string& UsageLog::problem() const noexcept { return state_->problem; }

// --- reporters ----------------------------------------------------------------------------------

UsageResult<UsageLog::State::Seat*> UsageLog::State::seat(const config::ReporterSettings& settings,
                                                          ReporterStart start) {
  const auto refuse = [&settings](const std::string& cause) {
    return std::unexpected(fmt::format("usage_log.reporters, {}: {}", settings.name, cause));
  };
  if (!start.told) return refuse(start.told.error());
  if (!start.authorities) return refuse(start.authorities.error());
  auto target = parts.make_target ? parts.make_target(settings)
                                  : make_usage_target(settings, std::move(*start.authorities),
                                                      parts.ring, parts.returns, parts.resolver);
  if (!target) return refuse(target.error());
  auto made = std::make_unique<Seat>(Seat{.settings = settings, .target = std::move(*target)});
  made->reporter = std::make_unique<UsageReporter>(UsageReporter::Parts{.settings = settings,
                                                                        .told = *start.told,
                                                                        .ring = parts.ring,
                                                                        .feed = *this,
                                                                        .target = *made->target,
                                                                        .cells = parts.cells,
                                                                        .log = parts.log});
  seats.push_back(std::move(made));
  return seats.back().get();
}

Task<void> UsageLog::State::serve(Seat* seat) {
  const shard::Gate::Pass pass = gate.enter();
  ++seat->tasks;
  co_await seat->reporter->run();
  --seat->tasks;
  sweep(seat);
}

// The target ends a call under way, which serve() may be waiting for.
Task<void> UsageLog::State::leave(Seat* seat) {
  const shard::Gate::Pass pass = gate.enter();
  ++seat->tasks;
  seat->is_leaving = true;
  seat->reporter->stop();
  co_await seat->target->end();
  --seat->tasks;
  sweep(seat);
}

void UsageLog::State::sweep(const Seat* seat) {
  // One that hangs is kept, since its lane cannot be joined.
  if (!seat->is_leaving || seat->tasks > 0 || seat->target->is_hanging()) return;
  std::erase_if(seats, [seat](const auto& other) { return other.get() == seat; });
}

Task<void> UsageLog::State::join(config::ReporterSettings settings) {
  const shard::Gate::Pass pass = gate.enter();
  auto job = [this, &settings] {
    return ReporterStart{.told = file->told(settings.name),
                         .authorities = read_authorities(settings.tls_ca)};
  };
  auto start = co_await io::offload(*write_lane, parts.returns, job);
  if (is_ending) co_return;
  if (!start) start = ReporterStart{.told = std::unexpected(std::string(kLaneFull))};
  const auto made = seat(settings, std::move(*start));
  if (made) {
    io::start_detached(serve(*made));
  } else {
    parts.log.write(LogLevel::kError, "usage",
                    made.error() + "; it is told nothing until a reload that succeeds");
  }
}

void UsageLog::start() {
  for (const auto& seat : state_->seats) io::start_detached(state_->serve(seat.get()));
}

void UsageLog::follow(const config::UsageLogSettings& settings) {
  State& state = *state_;
  if (state.is_ending) return;
  state.parts.settings.retention = settings.retention;
  state.parts.settings.bytes_max = settings.bytes_max;
  std::vector<State::Seat*> gone;
  for (const auto& seat : state.seats) {
    const bool stays =
        std::ranges::find(settings.reporters, seat->settings) != settings.reporters.end();
    if (!stays && !seat->is_leaving) gone.push_back(seat.get());
  }
  for (const config::ReporterSettings& reporter : settings.reporters) {
    if (std::ranges::find(state.parts.settings.reporters, reporter) ==
        state.parts.settings.reporters.end()) {
      io::start_detached(state.join(reporter));
    }
  }
  for (State::Seat* seat : gone) io::start_detached(state.leave(seat));
  state.parts.settings.reporters = settings.reporters;
}

// --- records ------------------------------------------------------------------------------------

void UsageLog::push(const usage::SpendRecord& record, uint64_t behind) {
  if (waiting_.size() + batch_.size() >= kWaitingMost) {
    ++lost_;
    state_->parts.cells.usage_records[metrics::UsageFate::kLost].add();
    return;
  }
  if (waiting_.empty()) waiting_since_ = state_->parts.clock.now();
  waiting_.push_back({encoded(record), behind});
}

void UsageLog::advance(MonoTime now) {
  now_ = now;
  note_backlog();
  if (is_writing_) return;
  const bool is_waiting = !waiting_.empty() && waiting_.front().behind <= journal_written_ &&
                          (waiting_.size() >= kBatchMost || now - waiting_since_ >= kBatchAge);
  const bool is_due = is_failing_ ? now >= write_after_ : is_waiting || now >= trim_after_;
  if (is_due) start_write(now);
}

size_t UsageLog::writable() const noexcept {
  const size_t most = std::min(waiting_.size(), kBatchMost);
  size_t count = 0;
  while (count < most && waiting_[count].behind <= journal_written_) ++count;
  return count;
}

void UsageLog::start_write(MonoTime now) {
  if (batch_.empty()) {
    for (size_t left = writable(); left > 0; --left) {
      batch_.push_back(std::move(waiting_.front().encoded));
      waiting_.pop_front();
    }
    waiting_since_ = waiting_.empty() ? MonoTime::max() : now;
  }
  State& state = *state_;
  const config::UsageLogSettings& settings = state.parts.settings;
  const WallTime oldest{state.parts.clock.wall().unix_us - settings.retention / microseconds(1)};
  const bool trims = now >= trim_after_;
  is_writing_ =
      state.write_lane->post([this, trims, oldest, most = settings.bytes_max, told = state.told()] {
        UsageFile& file = *state_->file;
        Outcome outcome;
        const auto fails = [&outcome](auto& result) {
          if (!result) outcome.problem = std::move(result.error());
          return !result;
        };
        const auto work = [&] {
          if (!batch_.empty()) {
            auto added = file.add(batch_);
            if (fails(added)) return;
            outcome.added = *added;
          }
          if (trims) {
            auto trimmed = file.trim(oldest, most, told);
            if (fails(trimmed)) return;
            outcome.trimmed = *trimmed;
            outcome.is_trimmed = true;
          }
          auto bytes = file.bytes();
          if (fails(bytes)) return;
          outcome.bytes = *bytes;
          auto last = file.last_number();
          if (fails(last)) return;
          outcome.last = *last;
        };
        work();
        state_->parts.returns.push([this, outcome = std::move(outcome)] { on_written(outcome); });
      });
  if (!is_writing_) note_failure(std::string(State::kLaneFull));
}

void UsageLog::on_written(const Outcome& outcome) {
  is_writing_ = false;
  metrics::ControlCells& cells = state_->parts.cells;
  if (outcome.is_trimmed) {
    if (!state_->is_ending) trim_after_ = outcome.trimmed.has_more ? now_ : now_ + kTrimGap;
    if (outcome.trimmed.untold > 0) {
      cells.usage_records[metrics::UsageFate::kLost].add(outcome.trimmed.untold);
      state_->parts.log.write(
          LogLevel::kError, "usage",
          fmt::format("{} records went by age or size before a reporter had them",
                      outcome.trimmed.untold));
    }
  }
  cells.usage_records[metrics::UsageFate::kStored].add(outcome.added);
  if (!outcome.problem.empty()) return note_failure(outcome.problem);
  batch_.clear();
  state_->last = outcome.last;
  cells.usage_log_bytes.set(static_cast<int64_t>(outcome.bytes));
  note_success();
  note_backlog();
}

// What was written before it failed is passed over, by its id, when the batch comes again.
void UsageLog::note_failure(const std::string& problem) {
  write_after_ = now_ + kRetryGap;
  if (std::exchange(is_failing_, true)) return;
  state_->parts.log.write(
      LogLevel::kError, "usage",
      fmt::format("{}; requests go on, and their records wait, {} of them at most", problem,
                  kWaitingMost));
}

void UsageLog::note_success() {
  const bool was_failing = std::exchange(is_failing_, false);
  if (!was_failing && lost_ == 0) return;
  const uint64_t lost = std::exchange(lost_, 0);
  state_->parts.log.write(
      lost == 0 ? LogLevel::kInfo : LogLevel::kError, "usage",
      fmt::format("the usage log is written again; {} records were lost", lost));
}

void UsageLog::note_backlog() {
  const uint64_t told = state_->told();
  const uint64_t behind = state_->last > told ? state_->last - told : 0;
  state_->parts.cells.usage_backlog.set(static_cast<int64_t>(behind));
}

// --- questions ----------------------------------------------------------------------------------

std::string UsageLog::refusal() const {
  if (state_->is_ending) return "Sluice is ending; ask it again when it runs";
  if (state_->questions >= kQuestionsMost) {
    return "too many questions to the usage log are waiting; ask again in some seconds";
  }
  return {};
}

Task<std::expected<UsageSums, std::string>> UsageLog::sums(UsageQuestion question) {
  if (std::string no = refusal(); !no.empty()) co_return std::unexpected(std::move(no));
  State& state = *state_;
  const shard::Gate::Pass pass = state.gate.enter();
  ++state.questions;
  auto job = [&state, &question] {
    Clock& clock = state.parts.clock;
    return state.reader->sums(question, clock, Deadline{clock.now() + kQuestionTime});
  };
  auto answer = co_await io::offload(*state.read_lane, state.parts.returns, job);
  --state.questions;
  if (!answer) co_return std::unexpected(std::string(State::kLaneFull));
  co_return std::move(*answer);
}

Task<std::expected<UsagePage, std::string>> UsageLog::records(UsagePageQuestion question) {
  if (std::string no = refusal(); !no.empty()) co_return std::unexpected(std::move(no));
  State& state = *state_;
  const shard::Gate::Pass pass = state.gate.enter();
  ++state.questions;
  auto job = [&state, &question] {
    Clock& clock = state.parts.clock;
    return state.reader->page(question, clock, Deadline{clock.now() + kQuestionTime});
  };
  auto answer = co_await io::offload(*state.read_lane, state.parts.returns, job);
  --state.questions;
  if (!answer) co_return std::unexpected(std::string(State::kLaneFull));
  co_return std::move(*answer);
}

// --- the end ------------------------------------------------------------------------------------

Task<void> UsageLog::end() {
  State& state = *state_;
  if (std::exchange(state.is_ending, true)) co_return;
  std::vector<State::Seat*> leaving;
  for (const auto& seat : state.seats) {
    if (!seat->is_leaving) leaving.push_back(seat.get());
  }
  for (State::Seat* seat : leaving) io::start_detached(state.leave(seat));
  io::Timer patience(state.parts.ring.ready(), state.parts.ring.timers());
  patience.set(Deadline{state.parts.ring.now() + kEndTime});
  while (state.gate.inside() > 0 && !patience.is_ready()) {
    state.gate.emptied().reset();
    co_await io::first_of(&state.gate.emptied(), &patience);
  }
  // Those that did not leave hang.
  is_hanging_ = state.gate.inside() > 0 || !state.seats.empty();
}

bool UsageLog::finish() {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 1'000'000};
  Clock& clock = state_->parts.clock;
  const Deadline patience{clock.now() + kFinishTime};
  trim_after_ = MonoTime::max();
  follow_journal(std::numeric_limits<uint64_t>::max());
  bool has_tried = false;
  for (;;) {
    now_ = clock.now();
    state_->parts.returns.run();
    if (!is_writing_) {
      if (batch_.empty() && waiting_.empty()) return true;
      if (has_tried && is_failing_) break;
      start_write(now_);
      has_tried = true;
    }
    if (patience.has_passed(now_)) break;
    ::nanosleep(&kPause, nullptr);  // tidy: allow(blocking) the shards have ended; nobody waits
  }
  is_hanging_ = is_hanging_ || is_writing_;
  state_->parts.log.write(
      LogLevel::kWarn, "usage",
      fmt::format("{} records are not in {} yet; the next start takes them "
                  "from the journal",
                  waiting_.size() + batch_.size(), state_->parts.settings.path));
  return false;
}

}  // namespace sluice::control
