// What an operator may ask of the running gateway.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config/snapshot.h>
#include <sluice/control/deployment_book.h>
#include <sluice/control/spend_book.h>
#include <sluice/control/succession.h>
#include <sluice/io/task.h>

namespace sluice::control {

enum class ReloadResult : uint8_t {
  kApplied,
  kBadFile,         // Errors in the file, or it cannot be read.
  kNeedsRestart,    // It is valid, but something in it cannot change while the process runs.
  kBusy,            // Another reload runs, the gateway drains, or too many generations live.
  kOtherText,       // The file has another checksum than the one that was meant.
  kUnknownVersion,  // The history does not have it (any more).
  kNotDone,         // A new address cannot be listened on, or the file cannot be written.
};

struct ReloadOutcome {
  ReloadResult result = ReloadResult::kApplied;
  uint64_t generation = 0;            // The one in force afterwards.
  std::vector<std::string> problems;  // Sentences with place, cause and remedy.
  std::vector<std::string> warnings;
  std::string checksum;              // Of the text in force afterwards.
  std::vector<std::string> changes;  // Applied ones; see config/difference.h.
};

enum class UpstreamOrder : uint8_t {
  kCooldown,  // Rests for the time given.
  kClear,     // Ends a cooldown, an open breaker and an ejection.
  kDrain,     // Gets no new request; what runs there goes on.
  kUndrain,
};

// One upstream as it is now.
struct UpstreamState {
  DeploymentView deployment;
  MonoTime now = MonoTime::min();  // What its times are to be compared with.
  uint32_t places_in_use = 0;      // Of `concurrency_max`; zero when that is no limit.
};

// What was spent so far.
struct SpendState {
  const SpendBook* book = nullptr;  // Null without a journal; valid until the caller suspends.
  WallTime now;
};

// Implemented by ControlThread. Control thread only.
class Operations {
 public:
  virtual ~Operations() = default;
  // Reads the configuration anew; otherwise nothing changes. `asked_by` is for the log, static
  // storage. Suspends.
  virtual Task<ReloadOutcome> reload(std::string_view asked_by) = 0;
  // False when the drain has begun before.
  virtual bool begin_drain(std::string_view asked_by) = 0;
  [[nodiscard]] virtual bool is_draining() const = 0;
  // Starts the program anew and gives it this one's place. Suspends.
  virtual Task<UpgradeOutcome> upgrade(Duration patience, std::string_view asked_by) = 0;
  // The configuration in force.
  [[nodiscard]] virtual const config::Snapshot& snapshot() const = 0;
  // At most one tick old.
  [[nodiscard]] virtual UpstreamState upstream_state(UpstreamId upstream) const = 0;
  // At most one tick old.
  [[nodiscard]] virtual SpendState spend_state() const = 0;
  // All shards are told at once. `length` is for kCooldown. False for a name not configured.
  [[nodiscard]] virtual bool order(std::string_view upstream, UpstreamOrder order, Duration length,
                                   std::string_view asked_by) = 0;
};

}  // namespace sluice::control
