// What is wrong with a configuration file: cause, place and remedy, for people.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::config {

// Never holds a secret: values of the file and of the environment are not repeated, names are.
struct Diagnostic {
  std::string file;
  uint32_t line = 0;    // From 1; 0 when the file as a whole is meant.
  uint32_t column = 0;  // From 1; 0 like `line`.
  std::string cause;
  std::string remedy;
};

// "configs/x.yaml:35: models[0].routes[1].weight must be 1 or more; write a whole number such as 1"
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

}  // namespace sluice::config
