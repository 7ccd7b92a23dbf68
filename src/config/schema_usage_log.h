// The sections `store` and `usage_log`: what is kept of keys, and of each exchange.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

void read_store(Walk& walk, const Node& node, Snapshot& snapshot);
// After `journal`, which it needs.
void read_usage_log(Walk& walk, const Node& node, Snapshot& snapshot);
void list_store_keys(const std::string& prefix, std::vector<std::string>& names);
void list_usage_log_keys(const std::string& prefix, std::vector<std::string>& names);

}  // namespace sluice::config
