// What an operator may ask of the configuration besides the plain reload of Operations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/log.h>
#include <sluice/control/config_history.h>
#include <sluice/control/operations.h>
#include <sluice/io/task.h>

namespace sluice::control {

struct ReloadRequest {
  std::string asked_by;  // For the log and the history.
  // The SHA-256 of the text that is meant, as hexadecimal digits; "" takes whatever the file has.
  std::string expected_checksum;
  // Puts the text of that generation into force, and into the file.
  std::optional<uint64_t> rollback_to;
};

// What would come of a text, were it in the file.
struct CandidateOutcome {
  ReloadResult result = ReloadResult::kApplied;  // Nothing was applied: it could be.
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
  std::vector<std::string> changes;  // To what is in force.
};

// Implemented by ControlThread. Control thread only.
class ConfigWork {
 public:
  virtual ~ConfigWork() = default;
  // Otherwise nothing changes. Suspends.
  virtual Task<ReloadOutcome> reload(ReloadRequest request) = 0;
  // Reads `text` as if it were the file's, with all that it names. Suspends.
  virtual Task<CandidateOutcome> check(std::string text) = 0;
  // The text in force without its secrets; "" when the lane is behind. Suspends.
  virtual Task<std::string> shown_text() = 0;
  [[nodiscard]] virtual const ConfigHistory& history() const = 0;
  // Of the process, since its start.
  [[nodiscard]] virtual uint64_t reloads() const = 0;
  [[nodiscard]] virtual LogLevel log_level() const = 0;
  // Until a reload whose text says another level than the one before.
  virtual void set_log_level(LogLevel level, std::string_view asked_by) = 0;
};

}  // namespace sluice::control
