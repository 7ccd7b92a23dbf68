// Keys in a file of their own, which may change without the configuration.
#pragma once

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

// Reads the file that `node` names, `keys:` as the configuration has them, and adds them to the
// snapshot's. Anything wrong with it is an error: what is half written is refused whole.
void read_key_file(Walk& walk, const Node& node, Snapshot& snapshot);

}  // namespace sluice::config
