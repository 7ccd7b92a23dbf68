#include "report/timeline.h"

namespace sluice::load {

void Timeline::end_second(const RunningCounts& counts) {
  TimelineSecond second;
  second.counts = {.started = counts.started - before_.started,
                   .completed = counts.completed - before_.completed,
                   .failed = counts.failed - before_.failed,
                   .not_sent = counts.not_sent - before_.not_sent,
                   .events = counts.events - before_.events,
                   .in_flight = counts.in_flight};
  second.p50 = second_.quantile(0.5);
  second.p99 = second_.quantile(0.99);
  second.max = second_.max();
  second.recorded = second_.count();
  before_ = counts;
  second_ = {};
  if (seconds_.size() < kSecondsMax) seconds_.push_back(second);
}

}  // namespace sluice::load
