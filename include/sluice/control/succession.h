// How a running gateway gives its place to a new process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sluice/base/clock.h>
#include <sluice/io/task.h>

namespace sluice::control {

enum class UpgradeResult : uint8_t {
  kDone,    // The successor serves; this process drains.
  kBusy,    // It drains, loads a configuration, or another upgrade runs.
  kFailed,  // There is no successor; this process serves as before.
};

struct UpgradeOutcome {
  UpgradeResult result = UpgradeResult::kDone;
  std::string problem;  // A sentence with cause and remedy, "" when it is done.
  int64_t pid = 0;      // Of the successor.
  std::string version;  // Of the successor.
};

// Implemented by app. Control thread only.
class Succession {
 public:
  // How long the successor may take until it serves, and the most that may be asked for.
  static constexpr Duration kPatience = seconds(50);
  static constexpr Duration kPatienceMost = seconds(600);

  virtual ~Succession() = default;
  // Starts a successor, hands over, and begins to drain when it is ready. Suspends. One at a time.
  virtual Task<UpgradeOutcome> run(Duration patience) = 0;
  // A drain has begun: the successor must not serve. Idempotent.
  virtual void give_up() noexcept = 0;
  // Whether the successor, which served, is there no more. A look at its channel.
  [[nodiscard]] virtual bool has_successor_ended() const noexcept = 0;
};

}  // namespace sluice::control
