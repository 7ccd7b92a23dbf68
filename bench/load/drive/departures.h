// When a simulated server noticed that clients had left.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <sluice/io/ring.h>

#include "plan/url.h"
#include "report/tally.h"

namespace sluice::load {

// The times at which clients were seen to be gone, out of /sim/stats; `aborted` gets their count
// since the server's start, of which only the last are listed. Empty when it is no such text.
[[nodiscard]] std::vector<int64_t> read_departures(std::string_view json, uint64_t& aborted);

// Pairs leavings with their notices, both in order of time: exact for the mean, and for single
// pairs as long as no notice overtakes another. Records nothing and returns false when the counts
// differ.
[[nodiscard]] bool pair_departures(std::vector<int64_t> left_ns, std::vector<int64_t> seen_ns,
                                   LatencyHistogram& detection);

// Asks the server before and after a run. Turns the ring.
class DepartureWatch {
 public:
  DepartureWatch(io::Ring& ring, const Target& stats, bool is_wanted) noexcept
      : ring_(ring), stats_(stats), is_wanted_(is_wanted) {}
  void begin();
  // A server that cannot be asked, or that missed some, is counted as a failure with its name.
  void end(const std::vector<MonoTime>& departures, Tally& tally);

 private:
  static constexpr Duration kNoticeMax = seconds(10);
  static constexpr Duration kPollStep = milliseconds(20);
  [[nodiscard]] bool fetch(std::vector<int64_t>& seen, uint64_t& aborted);

  io::Ring& ring_;
  const Target& stats_;
  bool is_wanted_;
  uint64_t aborted_before_ = 0;
};

}  // namespace sluice::load
