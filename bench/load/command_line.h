// Options of the command line to Settings.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "settings.h"

namespace sluice::load {

// As typed; not looked at yet.
struct CommandLine {
  Mode mode = Mode::kStreams;
  std::string target;
  std::string path = "/v1/chat/completions";
  std::string model = "sim-small";
  std::string duration;
  std::string warm_up = "0";
  std::string spread = "1s";
  std::string timeout = "60s";
  std::string body_file;
  std::string reference_file;
  std::string reference_url;
  std::string rate = "1KB/s";
  std::string phase = "streaming";
  std::string stats_url;
  std::string json_file;
  std::vector<std::string> headers;
  uint32_t connections = 1;
  uint64_t per_connection = 0;
  uint64_t events = 0;
  double interval_ms = 20;
  uint32_t body_bytes = 700;
  int receive_buffer = 0;  // 0 is the mode's own.
  bool stamps = false;
  bool is_fixed = false;
};

// The error is a sentence that names the option.
[[nodiscard]] std::expected<Settings, std::string> to_settings(const CommandLine& line);

}  // namespace sluice::load
