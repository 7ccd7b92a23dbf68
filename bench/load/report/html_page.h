// A report as one HTML page that needs no network.
#pragma once

#include <string>

#include "report/report.h"

namespace sluice::load {

[[nodiscard]] std::string render_html(const Report& report);

}  // namespace sluice::load
