// Rules that cross the sections of a configuration.
#pragma once

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

// Reports through `walk` what each section alone cannot see: whether it is safe to start at all,
// and what contradicts or is never used.
void validate(Walk& walk, const Node& root, const Snapshot& snapshot);

}  // namespace sluice::config
