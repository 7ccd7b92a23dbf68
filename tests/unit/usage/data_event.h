// One event of a stream, as most providers write it.
#pragma once

#include <string>
#include <string_view>

namespace sluice::usage {

inline std::string event(std::string_view payload, std::string_view line_end = "\n") {
  return "data: " + std::string(payload) + std::string(line_end) + std::string(line_end);
}

}  // namespace sluice::usage
