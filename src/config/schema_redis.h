// The section `redis`, where limits of several gateways are kept together, and other connections to
// such servers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

void read_redis(Walk& walk, const Node& node, Snapshot& snapshot);
void list_redis_keys(const std::string& prefix, std::vector<std::string>& names);
// A connection alone, with the same keys for it.
void read_redis_connection(Walk& walk, const Node& node, std::optional<RedisSettings>& redis);

}  // namespace sluice::config
