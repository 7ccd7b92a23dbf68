// What limits of several sections are together.
#pragma once

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

void check_rules(Walk& walk, const Node& root, const Snapshot& snapshot);

}  // namespace sluice::config
