// Whether the scripts that a configuration names compile.
#pragma once

#include <string>

#include <sluice/config/snapshot.h>

namespace sluice::app {

// A line for each that does not, with its file, line and remedy; "" when all do.
[[nodiscard]] std::string describe_script_problems(const config::Snapshot& snapshot);

}  // namespace sluice::app
