// The command line.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::app {

enum class Verb : uint8_t { kRun, kCheck, kVersion };

struct Options {
  Verb verb = Verb::kRun;
  std::string config_path;
};

struct ParsedOptions {
  Options options;
  bool is_complete = false;  // False when help was shown or something is wrong: exit with `status`.
  int status = 0;
};

// Prints help and complaints itself.
[[nodiscard]] ParsedOptions parse_options(int argc, const char* const* argv);

}  // namespace sluice::app
