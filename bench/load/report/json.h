// A report for programs.
#pragma once

#include <string>

#include "report/report.h"

namespace sluice::load {

// One line. Times are in microseconds; every name ends in its unit.
[[nodiscard]] std::string render_json(const Report& report);

}  // namespace sluice::load
