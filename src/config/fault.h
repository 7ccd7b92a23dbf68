// Why one value cannot be accepted and what to write instead; its place is added by the walk.
#pragma once

#include <string>

namespace sluice::config {

// `cause` continues a sentence that begins with the key's path: "must be 1 or more".
struct Fault {
  std::string cause;
  std::string remedy;
};

}  // namespace sluice::config
