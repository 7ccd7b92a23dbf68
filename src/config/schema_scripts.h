// The section `scripts`: what the operator's own code may do, and how much of it.
#pragma once

#include <string>
#include <vector>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

void read_scripts(Walk& walk, const Node& node, ScriptSettings& scripts);
void list_script_keys(const std::string& prefix, std::vector<std::string>& names);

}  // namespace sluice::config
