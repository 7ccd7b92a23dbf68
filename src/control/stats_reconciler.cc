#include <sluice/control/stats_reconciler.h>

#include <utility>

namespace sluice::control {

StatsReconciler::StatsReconciler(Parts parts)
    : parts_(parts),
      gate_(parts_.ring.ready()),
      timer_(parts_.ring.ready(), parts_.ring.timers()),
      over_(parts_.ring.ready()) {}

void StatsReconciler::start() { io::start_detached(tick()); }

Task<void> StatsReconciler::end() {
  over_.trigger();
  while (gate_.inside() > 0) {
    gate_.emptied().reset();
    co_await io::first_of(&gate_.emptied());
  }
}

Task<void> StatsReconciler::tick() {
  const shard::Gate::Pass pass = gate_.enter();
  while (!over_.is_ready()) {
    const Deadline next{parts_.ring.now() + kPeriod};
    std::string own = encode_stats(parts_.deployments.own_stats(parts_.ring.now()));
    const Result<std::vector<GatewayText>> texts = co_await parts_.board.swap(std::move(own), next);
    if (over_.is_ready()) break;
    if (texts) {
      others_.hear(*texts, parts_.ring.now());
    } else {
      others_.forget_silent(parts_.ring.now());
    }
    parts_.deployments.hear(others_.sum());
    parts_.hurried.trigger();
    timer_.set(next);
    co_await io::first_of(&timer_, &over_);
  }
}

}  // namespace sluice::control
