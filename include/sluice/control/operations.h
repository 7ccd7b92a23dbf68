// What an operator may ask of the running gateway.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config/snapshot.h>
#include <sluice/io/task.h>

namespace sluice::control {

enum class ReloadResult : uint8_t {
  kApplied,
  kBadFile,       // Errors in the file, or it cannot be read.
  kNeedsRestart,  // It is valid, but something in it cannot change while the process runs.
  kBusy,          // Another reload runs, the gateway drains, or too many generations live.
};

struct ReloadOutcome {
  ReloadResult result = ReloadResult::kApplied;
  uint64_t generation = 0;            // The one in force afterwards.
  std::vector<std::string> problems;  // Sentences with place, cause and remedy.
  std::vector<std::string> warnings;
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
  // The configuration in force.
  [[nodiscard]] virtual const config::Snapshot& snapshot() const = 0;
};

}  // namespace sluice::control
