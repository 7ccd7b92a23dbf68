// Whether the scripts that a configuration names compile, and fit the memory that it gives them.
#pragma once

#include <vector>

#include <sluice/config/diagnostic.h>
#include <sluice/config/snapshot.h>

namespace sluice::control {

// One for each script that does not; with none, a shard can make them from this snapshot.
[[nodiscard]] std::vector<config::Diagnostic> check_scripts(const config::Snapshot& snapshot);

}  // namespace sluice::control
