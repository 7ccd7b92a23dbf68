// A file of its own that the configuration names.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <sluice/config/environment.h>

#include "walk.h"

namespace sluice::config {

struct NamedFile {
  std::string path;   // Full, unless the configuration's own path is not.
  std::string shown;  // For people; without what a variable put into it.
  FileText file;
};

// The file that `node` names; a relative path is meant from the folder of the configuration.
// Nothing after a report.
[[nodiscard]] std::optional<NamedFile> read_named_file(Walk& walk, const Node& node,
                                                       size_t bytes_max);

}  // namespace sluice::config
