// What shells complete commands with, made of the table of commands.
#pragma once

#include <string>
#include <string_view>

namespace sluice::sluicectl {

// For "bash", "zsh" or "fish"; empty for another one.
[[nodiscard]] std::string completion(std::string_view shell);

}  // namespace sluice::sluicectl
