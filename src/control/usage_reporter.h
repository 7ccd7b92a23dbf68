// Tells one target of every record in the usage log, in order, at least once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sluice/base/log.h>
#include <sluice/config/auth.h>
#include <sluice/crypto/random.h>
#include <sluice/io/ring.h>
#include <sluice/io/timer.h>
#include <sluice/metrics/cells.h>

#include "usage_target.h"

namespace sluice::control {

// What a reporter needs of the log. Control thread only.
class UsageFeed {
 public:
  virtual ~UsageFeed() = default;
  // Of the records in the file, the greatest one.
  [[nodiscard]] virtual uint64_t last_number() const noexcept = 0;
  // Both suspend.
  virtual Task<UsageResult<std::vector<UsageRow>>> rows_after(uint64_t number, uint32_t most) = 0;
  virtual Task<UsageResult<void>> set_told(const std::string& reporter, uint64_t number) = 0;
};

// One batch at a time. What the target does not take is offered again, first after kRetryFirst,
// then after twice as long and so on, up to kRetryMost; a little less by chance, so that many
// gateways do not come back at one moment. Meanwhile the records stay in the file, as long as its
// retention lets them.
class UsageReporter {
 public:
  static constexpr Duration kRetryFirst = seconds(1);
  static constexpr Duration kRetryMost = seconds(300);

  // Everything outlives the reporter.
  struct Parts {
    config::ReporterSettings settings;
    uint64_t told = 0;  // Up to which the target has been told.
    io::Ring& ring;
    UsageFeed& feed;
    UsageTarget& target;
    metrics::ControlCells& cells;
    Logger& log;
  };
  explicit UsageReporter(Parts parts);
  UsageReporter(const UsageReporter&) = delete;
  UsageReporter& operator=(const UsageReporter&) = delete;

  // Until stop(). Once; suspends.
  Task<void> run();
  void stop() noexcept;

  [[nodiscard]] uint64_t told() const noexcept { return told_; }

 private:
  // False when the target did not take them, or the file fails: a pause is due then.
  Task<bool> pass_on();
  Task<void> pause(Duration length);
  [[nodiscard]] Duration retry_gap() noexcept;
  void note_failure(const std::string& cause);
  void note_success();

  Parts parts_;
  crypto::RandomSource random_;
  io::Timer timer_;
  io::Event stopped_;
  uint64_t told_;
  uint64_t noted_ = 0;     // What the file has of it; less than told_ when it could not be written.
  uint32_t failures_ = 0;  // In a row.
  bool is_full_ = false;   // The last batch was as large as they may be: there is more.
};

}  // namespace sluice::control
