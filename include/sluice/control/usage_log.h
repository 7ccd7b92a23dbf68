// One record of each exchange, in a SQLite file of its own.
#pragma once

#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/log.h>
#include <sluice/config/auth.h>
#include <sluice/control/usage_question.h>
#include <sluice/io/offload.h>
#include <sluice/metrics/cells.h>
#include <sluice/net/resolver.h>
#include <sluice/usage/spend_record.h>

namespace sluice::control {

class UsageTarget;

// The journal pushes what has ended; batches of it go to the file on a lane, each record behind the
// journal's own, so that none is here that a kill keeps from the journal. What is not in the file
// yet is kept here, up to kWaitingMost, and in the journal, which carries it over when it begins a
// segment and shows it again at the next start: by its id it is in the file once.
//
// A file that fails stops nothing: records wait, and beyond the bound are lost and counted.
// Control thread only. Await end() before it dies, or leave it is_hanging().
class UsageLog final : public UsageAnswers {
 public:
  static constexpr size_t kWaitingMost = 100'000;  // About 30 MB.
  static constexpr size_t kBatchMost = 4'096;
  static constexpr Duration kBatchAge = milliseconds(250);
  static constexpr Duration kRetryGap = seconds(1);
  static constexpr Duration kTrimGap = seconds(10);       // Between looks at what is too old.
  static constexpr Duration kQuestionTime = seconds(10);  // Of one question.
  static constexpr size_t kQuestionsMost = 16;            // That wait or run.
  static constexpr Duration kEndTime = seconds(2);        // For reporters and questions, in end().
  static constexpr Duration kFinishTime = seconds(10);

  using MakeTarget =
      std::move_only_function<std::expected<std::unique_ptr<UsageTarget>, std::string>(
          const config::ReporterSettings&)>;

  // Everything outlives the log.
  struct Parts {
    config::UsageLogSettings settings;
    io::Ring& ring;
    io::OffloadReturns& returns;
    net::Resolver& resolver;
    Clock& clock;
    metrics::ControlCells& cells;
    Logger& log;
    MakeTarget make_target;  // Empty stands for what the settings name; tests give their own.
  };

  // Opens or makes the file (0600); blocks, before anyone is served. The error is a sentence with
  // cause and remedy.
  [[nodiscard]] static std::expected<std::unique_ptr<UsageLog>, std::string> open(Parts parts);
  ~UsageLog() override;
  UsageLog(const UsageLog&) = delete;
  UsageLog& operator=(const UsageLog&) = delete;

  // --- the journal's side -----------------------------------------------------------------------
  // What the journal shows at start; blocks. False when the file fails; problem() says why.
  bool replay(const usage::SpendRecord& record);
  bool end_replay();
  [[nodiscard]] const std::string& problem() const noexcept;
  // `record` is of kind kSettled, with its run; it goes to the file once so many payloads of the
  // journal are written. Never waits.
  void push(const usage::SpendRecord& record, uint64_t behind);
  // How many the journal has written.
  void follow_journal(uint64_t written) noexcept { journal_written_ = written; }
  // Encoded records that are not in the file yet, oldest first.
  template <class Visit>
  void show_waiting(Visit visit) const {
    for (const std::string& record : batch_) visit(std::string_view(record));
    for (const Waiting& record : waiting_) visit(std::string_view(record.encoded));
  }

  // --- the control thread's side ----------------------------------------------------------------
  // Begins to tell the reporters; once, on the ring's thread.
  void start();
  // Retention and reporters of a new configuration; those that it does not change go on.
  void follow(const config::UsageLogSettings& settings);
  // Starts what is due on the lane. At every tick.
  void advance(MonoTime now);
  [[nodiscard]] bool is_busy() const noexcept { return is_writing_; }

  Task<std::expected<UsageSums, std::string>> sums(UsageQuestion question) override;
  Task<std::expected<UsagePage, std::string>> records(UsagePageQuestion question) override;

  // Ends reporters and questions. Suspends.
  Task<void> end();
  // Writes the rest, after the journal has finished; blocks at most kFinishTime, turns no ring.
  // False when something is not in the file: the next start takes it from the journal. Then it
  // must not be destroyed if is_hanging().
  bool finish();
  [[nodiscard]] bool is_hanging() const noexcept { return is_hanging_; }

 private:
  struct State;
  struct Outcome;
  struct Waiting {
    std::string encoded;
    uint64_t behind = 0;
  };
  explicit UsageLog(std::unique_ptr<State> state) noexcept;

  [[nodiscard]] std::expected<void, std::string> open_reporters();
  // Of those that wait, how many the journal has written, up to kBatchMost.
  [[nodiscard]] size_t writable() const noexcept;
  void start_write(MonoTime now);
  void on_written(const Outcome& outcome);
  void note_failure(const std::string& problem);
  void note_success();
  void note_backlog();
  // Whether one more question may be asked; a sentence if not.
  [[nodiscard]] std::string refusal() const;

  std::unique_ptr<State> state_;
  std::deque<Waiting> waiting_;
  uint64_t journal_written_ = 0;
  std::vector<std::string> batch_;  // What the lane writes; read by it while is_writing_.
  MonoTime now_ = MonoTime::min();  // Of the last call that brought the time.
  MonoTime waiting_since_ = MonoTime::max();
  MonoTime write_after_ = MonoTime::min();
  MonoTime trim_after_ = MonoTime::min();
  uint64_t lost_ = 0;  // Since the file failed.
  bool is_writing_ = false;
  bool is_failing_ = false;
  bool is_hanging_ = false;
};

}  // namespace sluice::control
