// The section `admin`: how operators reach the gateway.
#pragma once

#include <string>
#include <vector>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

// After `store`.
void read_admin(Walk& walk, const Node& node, Snapshot& snapshot);
void list_admin_keys(const std::string& prefix, std::vector<std::string>& names);

}  // namespace sluice::config
