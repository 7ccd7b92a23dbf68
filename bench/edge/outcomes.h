// How the connections of an assault ended.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>

namespace sluice::edge {

[[nodiscard]] inline double seconds_of(Duration duration) {
  return static_cast<double>(duration.count()) / 1e9;
}

// What one connection came to.
struct Ending {
  std::string_view how;  // "closed", "reset", "left", "open at the end", or why it never opened.
  std::string answer;    // "408", "tls" or "tls alert"; empty when no byte came.
  Duration lasted{0};    // From the connection's start.
};

class Outcomes {
 public:
  void add(const Ending& ending);

  uint64_t opened = 0;     // Connections that were established.
  uint64_t open = 0;       // That are now.
  uint64_t open_most = 0;  // At one time.
  uint64_t sent = 0;       // Bytes.
  uint64_t received = 0;

  // One JSON object. `lasted` is of those that the other side ended.
  [[nodiscard]] std::string json(std::string_view name, Duration took) const;
  // A line for people.
  [[nodiscard]] std::string line(std::string_view name, Duration took) const;

 private:
  // Enough for quantiles; those beyond it are counted, not timed.
  static constexpr size_t kTimesMax = 1u << 20;

  std::map<std::string, uint64_t> counts_;
  std::vector<Duration> lasted_;
};

}  // namespace sluice::edge
