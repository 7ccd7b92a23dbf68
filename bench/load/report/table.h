// A report for the terminal.
#pragma once

#include <string>

#include "report/report.h"

namespace sluice::load {

[[nodiscard]] std::string render_table(const Report& report);

// A time in the unit that people would choose.
[[nodiscard]] std::string format_us(double us);
// A number with its thousands apart.
[[nodiscard]] std::string format_count(uint64_t count);

}  // namespace sluice::load
