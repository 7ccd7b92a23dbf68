// The section `cors`: which pages of browsers may call, and what they may send and read.
#pragma once

#include <string>
#include <vector>

#include "walk.h"

namespace sluice::config {

// After `admin`, whose listener has origins of its own.
void read_cors(Walk& walk, const Node& node, Snapshot& snapshot);
void list_cors_keys(const std::string& prefix, std::vector<std::string>& names);

}  // namespace sluice::config
