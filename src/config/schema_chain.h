// The section `auth`: where it is asked who may call.
#pragma once

#include <string>
#include <vector>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

// After `keys` and `store`; the keys of `key_file` are added to those of the file.
void read_chain(Walk& walk, const Node& node, Snapshot& snapshot);
void list_chain_keys(const std::string& prefix, std::vector<std::string>& names);

// The chain of a file without a section `auth`, or without `sources` in it.
void set_default_chain(Snapshot& snapshot);

}  // namespace sluice::config
