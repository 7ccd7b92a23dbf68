// The part of the control thread's tick that belongs to logs.
#pragma once

#include <sluice/config/snapshot.h>

namespace sluice::control {

// Control thread only; writes on a lane of its own and never waits for it, but in flush().
class LogWork {
 public:
  virtual ~LogWork() = default;
  // Whether collect() would find something. Cheap: asked in every turn of the loop.
  [[nodiscard]] virtual bool has_records() const noexcept = 0;
  // Moves what the shards have recorded to the lane. False when there was nothing.
  virtual bool collect() = 0;
  // Follows changed settings.
  virtual void apply(const config::LogSettings& log, const config::AccessLogSettings& access) = 0;
  // Opens the files anew, after somebody has renamed them.
  virtual void reopen() = 0;
};

}  // namespace sluice::control
