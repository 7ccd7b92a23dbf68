// Settings in, a run and its reports out.
#pragma once

#include <string>

#include "plan/settings.h"

namespace sluice::load {

struct Outputs {
  std::string json_file;
  std::string html_file;
  bool shows_progress = false;  // Also when stderr is no terminal.
};

struct Execution {
  std::string obstacle;  // Why there was nothing to measure, or empty.
  bool is_good = false;  // All that was expected happened.
};

// Blocks for the whole run; prints the table to stdout.
[[nodiscard]] Execution execute(Settings& settings, const Outputs& outputs);

}  // namespace sluice::load
