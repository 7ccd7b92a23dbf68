// What a run has seen so far.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "latency_histogram.h"

namespace sluice::load {

struct Tally {
  uint64_t started = 0;
  uint64_t completed = 0;
  uint64_t failed = 0;       // Each has its reason below.
  uint64_t interrupted = 0;  // By Ctrl-C, or still running when the time to finish was over.
  uint64_t in_flight = 0;
  uint64_t events = 0;
  uint64_t error_events = 0;
  uint64_t without_done = 0;  // Ended well as HTTP, but without [DONE]; also counted as failed.
  uint64_t differing = 0;     // Not the reference's bytes; also counted as failed.
  uint64_t identical = 0;     // Completed, and compared with a reference.
  uint64_t bytes = 0;         // Of bodies, without their transfer coding.
  uint64_t connects = 0;
  std::map<std::string, uint64_t, std::less<>> failures;  // Count by reason.

  LatencyHistogram latency;      // From the request's first byte to the answer's last.
  LatencyHistogram first_event;  // From the request's first byte to the end of the first event.
  LatencyHistogram gap;          // Between the ends of two events of one stream.
  LatencyHistogram delay;        // From the stamp inside an event to its end being seen here.
  LatencyHistogram detection;    // From leaving to the other side's noticing.

  void fail(std::string_view reason) {
    ++failed;
    const auto place = failures.find(reason);
    if (place != failures.end()) {
      ++place->second;
    } else if (failures.size() < kReasonsMax) {
      failures.emplace(reason, 1);
    }
  }

 private:
  static constexpr size_t kReasonsMax = 64;
};

}  // namespace sluice::load
