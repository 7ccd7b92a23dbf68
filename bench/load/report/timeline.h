// What happened in each second of a run.
#pragma once

#include <cstdint>
#include <vector>

#include <sluice/base/clock.h>

#include "report/latency_histogram.h"

namespace sluice::load {

// Counts that only grow, as they stood at the end of a second.
struct RunningCounts {
  uint64_t started = 0;
  uint64_t completed = 0;
  uint64_t failed = 0;
  uint64_t not_sent = 0;
  uint64_t events = 0;
  uint64_t in_flight = 0;  // This one also falls.
};

struct TimelineSecond {
  RunningCounts counts;  // Within this second; in_flight at its end.
  Duration p50{0};
  Duration p99{0};
  Duration max{0};
  uint64_t recorded = 0;
};

// One value kind per run: delays of events when they carry stamps, times to the first event of
// other streams, latencies of whole answers.
class Timeline {
 public:
  static constexpr size_t kSecondsMax = 24 * 3600;

  void record(Duration value) noexcept { second_.record(value); }
  // Ends the present second; `counts` are those since the beginning of the run.
  void end_second(const RunningCounts& counts);

  [[nodiscard]] const std::vector<TimelineSecond>& seconds() const noexcept { return seconds_; }
  [[nodiscard]] bool has_unended() const noexcept { return second_.count() > 0; }

 private:
  LatencyHistogram second_;
  RunningCounts before_;
  std::vector<TimelineSecond> seconds_;
};

}  // namespace sluice::load
