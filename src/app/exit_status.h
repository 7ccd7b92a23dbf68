// What the process tells whoever started it.
#pragma once

namespace sluice::app {

inline constexpr int kExitOk = 0;
inline constexpr int kExitConfig = 1;       // The configuration has errors.
inline constexpr int kExitCannotStart = 2;  // Command line, limits, port, kernel.
// 3 is control::ControlThread::kExitStuck; 128 and a signal's number a second signal.

}  // namespace sluice::app
