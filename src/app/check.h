// `sluice check`: everything that is wrong with a configuration and the files of its TLS.
#pragma once

#include <string>

#include <sluice/config/loader.h>

namespace sluice::app {

// One line for each diagnostic, warnings with a word in front.
[[nodiscard]] std::string describe_problems(const config::LoadOutcome& outcome);
// "2 upstreams, 1 model, 3 keys".
[[nodiscard]] std::string describe_counts(const config::Snapshot& snapshot);
// "sluice.yaml is valid: 2 upstreams, 1 model, 3 keys".
[[nodiscard]] std::string describe_valid(const config::Snapshot& snapshot);

// Prints either; returns the exit status.
[[nodiscard]] int check_config(const std::string& path);

}  // namespace sluice::app
