// The section `redis`: where limits of several gateways are kept together.
#pragma once

#include <string>
#include <vector>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

void read_redis(Walk& walk, const Node& node, Snapshot& snapshot);
void list_redis_keys(const std::string& prefix, std::vector<std::string>& names);

}  // namespace sluice::config
