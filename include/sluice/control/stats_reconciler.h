// Tells other gateways what this one knows of its deployments, and hears what they know.
#pragma once

#include <string>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/result.h>
#include <sluice/control/deployment_book.h>
#include <sluice/control/gateway_stats.h>
#include <sluice/io/event.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/io/timer.h>
#include <sluice/shard/gate.h>

namespace sluice::control {

// Where each gateway writes for the others.
class StatsBoard {
 public:
  virtual ~StatsBoard() = default;
  // Writes ours in place of what we wrote before; gives what the others wrote. Any error: nothing
  // is known of either. Suspends, until `deadline` at the most.
  virtual Task<Result<std::vector<GatewayText>>> swap(std::string own, Deadline deadline) = 0;
};

// Once a period, whatever happens: what one gateway knows another knows within two periods and the
// time of two calls, less than a second. When the board is lost, what the others said is dropped
// after OtherGateways::kSilenceMost and the gateway goes on by itself; no line is logged.
//
// Control thread. Await end() before it dies, once start() was called.
class StatsReconciler {
 public:
  static constexpr Duration kPeriod = milliseconds(400);

  struct Parts {
    io::Ring& ring;
    StatsBoard& board;
    DeploymentBook& deployments;
    io::Event& hurried;  // Triggered when the book has heard something.
  };

  // All outlive the reconciler.
  explicit StatsReconciler(Parts parts);

  void start();
  // Waits for a call under way, at most a period. Suspends.
  Task<void> end();

 private:
  Task<void> tick();

  Parts parts_;
  OtherGateways others_;
  shard::Gate gate_;
  io::Timer timer_;
  io::Event over_;
};

}  // namespace sluice::control
