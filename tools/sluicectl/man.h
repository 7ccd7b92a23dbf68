// The manual page, made of the table of commands; docs/sluicectl.1 is what it prints.
#pragma once

#include <string>

namespace sluice::sluicectl {

[[nodiscard]] std::string manual_page();

}  // namespace sluice::sluicectl
