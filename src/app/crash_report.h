// Says where the process crashed, without a byte of what it worked on.
#pragma once

#include <sluice/telemetry/line_file.h>

namespace sluice::app {

// Catches SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT (a broken invariant, std::terminate): writes
// version, signal, kind of address, thread and a backtrace of module+offset to stderr and the log,
// then lets the signal end the process as it would have. Registers, memory and addresses of data
// are not written: they may be a request's bytes. `version` is static storage. Call before the
// first thread starts; does nothing under AddressSanitizer, which has its own report.
void report_crashes(const char* version) noexcept;

// The log's file, which must outlive its use here; null ends it.
void report_crashes_to(const telemetry::LineFile* log) noexcept;

}  // namespace sluice::app
