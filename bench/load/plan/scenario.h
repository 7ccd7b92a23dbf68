// Scenarios: options in a YAML file.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "plan/options.h"

namespace sluice::load {

// A scenario that was read into a draft, and where its options stand.
struct Scenario {
  std::string file;
  std::unordered_map<std::string, uint32_t> lines;

  // "name: reason" with the place in front when the option stands in the file.
  [[nodiscard]] std::string locate(const std::string& fault) const;
};

// Reads `text` of `file` into `draft`. Empty, or all that is wrong with it, a line each:
// "file:line: cause; remedy".
[[nodiscard]] std::string read_scenario(std::string_view text, const std::string& file,
                                        Draft& draft, Scenario& scenario);

}  // namespace sluice::load
