// What a run has seen so far.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "report/latency_histogram.h"
#include "report/timeline.h"

namespace sluice::load {

// One model of one tenant.
struct PartTally {
  uint64_t started = 0;
  uint64_t completed = 0;
  uint64_t failed = 0;
  LatencyHistogram latency;
};

struct Tally {
  uint64_t started = 0;
  uint64_t completed = 0;
  uint64_t failed = 0;       // Each has its reason below.
  uint64_t interrupted = 0;  // By Ctrl-C.
  uint64_t left = 0;         // Ended by the client itself, as it was told to.
  uint64_t not_sent = 0;     // Due, but the queue was full, or the run over before their turn.
  uint64_t in_flight = 0;
  uint64_t queued_most = 0;  // Requests that waited for a connection at one time.
  uint64_t events = 0;
  uint64_t tokens = 0;  // As the streams' usage says.
  uint64_t error_events = 0;
  uint64_t malformed_events = 0;
  uint64_t stalls = 0;        // Gaps between events above Settings::stall.
  uint64_t without_done = 0;  // Ended well as HTTP, but without [DONE]; also counted as failed.
  uint64_t differing = 0;     // Not the reference's bytes; also counted as failed.
  uint64_t identical = 0;     // Completed, and compared with a reference.
  uint64_t bytes = 0;         // Of bodies, without their transfer coding.
  uint64_t connects = 0;
  uint64_t overtaken = 0;  // Connections that their server closed between two requests.
  std::map<std::string, uint64_t, std::less<>> failures;  // Count by reason.

  LatencyHistogram latency;      // From the intended send to the answer's last byte.
  LatencyHistogram first_event;  // From the intended send to the end of the first event.
  LatencyHistogram gap;          // Between the ends of two events of one stream.
  LatencyHistogram delay;        // From the stamp inside an event to its end being seen here.
  LatencyHistogram first_delay;  // The same, of each stream's first event alone.
  LatencyHistogram detection;    // From leaving to the other side's noticing.
  LatencyHistogram send_lag;     // From the intended send to the kernel having taken the request.

  Timeline timeline;
  std::vector<PartTally> parts;  // Kept only when there is more than one.

  void fail(std::string_view reason) {
    ++failed;
    const auto place = failures.find(reason);
    if (place != failures.end()) {
      ++place->second;
    } else if (failures.size() < kReasonsMax) {
      failures.emplace(reason, 1);
    } else {
      ++failures[std::string("other reasons")];
    }
  }
  [[nodiscard]] RunningCounts running() const noexcept {
    return {started, completed, failed, not_sent, events, in_flight};
  }

 private:
  static constexpr size_t kReasonsMax = 64;
};

}  // namespace sluice::load
