// Signals as a descriptor, so that they arrive on the control thread's ring like everything else.
#pragma once

#include <expected>
#include <string>

namespace sluice::app {

// Blocks SIGHUP, SIGINT, SIGTERM and SIGUSR2 in this thread and all it will start, ignores SIGPIPE,
// and returns a signalfd for the four. Call before any thread starts.
[[nodiscard]] std::expected<int, std::string> take_signals();

}  // namespace sluice::app
