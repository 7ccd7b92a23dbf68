// What a run is to do, as the command line said.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/net/address.h>

namespace sluice::load {

// http://host[:port][/path]
struct Url {
  std::string host;
  std::string authority;  // host[:port], for the Host field.
  std::string path;       // Empty, or with a leading slash.
  uint16_t port = 80;
};

// Empty unless `text` is such a URL.
[[nodiscard]] std::optional<Url> parse_url(std::string_view text);

struct Target {
  Url url;
  net::Address address;
};

enum class Mode : uint8_t { kStreams, kUnary, kSlowReader, kAbort };

// Where in a request's life a leaving client leaves.
enum class Phase : uint8_t { kConnect, kBody, kWaiting, kStreaming };

struct Settings {
  Mode mode = Mode::kStreams;
  Target target;
  std::string path = "/v1/chat/completions";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  uint32_t connections = 1;
  uint64_t per_connection = 0;     // Requests on each connection; 0 is as many as time allows.
  Duration duration{0};            // No request starts after it; 0 is no such end.
  Duration warm_up{0};             // What begins within it is not counted; unary only.
  Duration spread = seconds(1);    // The first requests start evenly over it.
  Duration timeout = seconds(60);  // Without a byte; then the request has failed.
  std::string reference;           // The body that each stream must equal; empty is none.
  std::optional<Target> reference_target;
  uint64_t bytes_per_second = 1000;  // Of a slow reader.
  int receive_bytes_max = 256 * 1024;
  Phase phase = Phase::kStreaming;
  std::optional<Target> stats;  // The simulated server, when it is not the target.
  bool shows_progress = false;
};

// The whole request, head and body.
[[nodiscard]] std::string render_request(const Settings& settings, const Url& url);

// A chat completion of the given length in bytes, at least 128.
[[nodiscard]] std::string make_body(std::string_view model, bool streams, size_t bytes);

}  // namespace sluice::load
