// One access record as one JSON line.
#pragma once

#include <string>

#include <sluice/telemetry/access_record.h>

namespace sluice::telemetry {

// Appends the line with its newline; docs/logs.md lists the fields.
void append_access_line(const AccessRecord& record, std::string& out);

}  // namespace sluice::telemetry
