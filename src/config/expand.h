// `${VAR}` and `${VAR:default}` inside scalar values.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include <sluice/config/environment.h>

#include "fault.h"

namespace sluice::config {

// Letters, digits and '_', not beginning with a digit.
[[nodiscard]] bool is_variable_name(std::string_view name) noexcept;

// The default counts when the variable is unset or empty. `$${` stands for a plain "${"; within a
// default `\}`, `\$` and `\\` stand for the second character. What a variable holds is not expanded
// again.
[[nodiscard]] std::expected<std::string, Fault> expand(std::string_view raw,
                                                       const Environment& environment);

}  // namespace sluice::config
