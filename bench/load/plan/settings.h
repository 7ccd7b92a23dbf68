// What a run is to do: the outcome of the command line and the scenario together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/base/clock.h>

#include "plan/expectation.h"
#include "plan/schedule.h"
#include "plan/url.h"

namespace sluice::load {

enum class Mode : uint8_t { kRun, kSlowReader, kAbort };

// Where in a request's life a leaving client leaves; `sluice-load abort` only.
enum class Phase : uint8_t { kConnect, kBody, kWaiting, kStreaming };

// A choice among several by share.
struct Share {
  std::string name;
  double weight = 1;
};

struct Tenant {
  std::string name;
  double weight = 1;
  std::vector<std::string> keys;  // Used in turn; empty is none.
};

// Stops a process for a while, so that what a generator does about it can be seen.
struct Freeze {
  int pid = 0;  // 0 is no freeze.
  Duration at = seconds(5);
  Duration length = seconds(1);
};

struct Settings {
  Mode mode = Mode::kRun;
  std::string name;  // Of the scenario, for reports.
  Target target;
  std::string path = "/v1/chat/completions";
  std::vector<std::pair<std::string, std::string>> headers;

  // --- how much, and when
  uint32_t connections = 1;
  std::optional<Schedule> schedule;  // Open loop; without it the loop is closed.
  bool is_poisson = false;
  uint64_t requests = 0;           // In all; 0 is as many as time allows.
  uint64_t per_connection = 0;     // Requests on each connection; 0 is no such bound.
  Duration duration{0};            // No request starts after it; 0 is no such end.
  Duration warm_up{0};             // What begins within it is not counted.
  Duration spread{0};              // The first requests of a closed loop start evenly over it.
  Duration timeout = seconds(60);  // Without a byte; then the request has failed.
  Duration finish = seconds(60);   // Given to running requests after the end.
  Duration spin{0};                // Before a send is due, so long the loop polls, not sleeps.
  uint32_t queue_max = 65'536;     // Requests of an open loop that wait for a connection.
  uint64_t seed = 1;

  // --- what is asked for
  bool streams = false;  // The answers are to be event streams.
  std::vector<Share> models = {{"sim-small", 1}};
  std::vector<Tenant> tenants;
  std::string body;                                             // A template; empty makes one.
  std::vector<std::pair<uint64_t, double>> sizes = {{700, 1}};  // Bytes of bodies, and shares.
  uint64_t answer_tokens = 0;                                   // max_tokens; 0 leaves it out.
  std::string trace_file;
  double speed = 1;

  // --- what is looked at
  std::string reference;  // The body that each answer must equal; empty is none.
  std::optional<Target> reference_target;
  Duration stall = seconds(1);  // A gap between events above it is a stall.
  uint64_t leave_at_event = 0;  // 0 is never.
  double leave_share = 1;       // Of the requests that leave at that event.
  std::optional<Target> stats;  // The simulated server, when it is not the target.
  Freeze freeze;
  std::vector<Expectation> expectations;

  // --- of the other modes
  uint64_t bytes_per_second = 1000;  // Of a slow reader.
  int receive_bytes_max = 256 * 1024;
  Phase phase = Phase::kStreaming;

  bool shows_progress = false;
};

// The head of a request with `key` and a body of `body_bytes`; empty when it is no good head.
[[nodiscard]] std::string render_head(const Settings& settings, const Url& url,
                                      std::string_view key, size_t body_bytes);

}  // namespace sluice::load
