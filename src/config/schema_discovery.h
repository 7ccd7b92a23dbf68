// An item of `upstreams` that stands for servers which are found out while Sluice runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sluice/config/members.h>
#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

// All but the group's name.
void read_discovery(Walk& walk, const Node& node, std::optional<Discovery>& discovery);
void list_discovery_keys(const std::string& prefix, std::vector<std::string>& names);

// One upstream for each of the found servers, at the end of `upstreams`: `common` is what the item
// gives to all, and its name. `at` is the
// item's place, for warnings about servers that are left out.
void add_members(Walk& walk, const Node& at, const Upstream& common,
                 const std::vector<Member>& members, size_t upstreams_max,
                 std::vector<Upstream>& upstreams);

}  // namespace sluice::config
