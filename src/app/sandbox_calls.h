// Which system calls the process may make once it has started, enforced by seccomp.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace sluice::app {

// Gives up all system calls but those that serving, reloading and draining need, in all threads.
// io_uring_setup and io_uring_register are gone, so the rings stay as they were restricted.
//
// Others fail with EPERM. Those that nothing of Sluice ever asks for and an intruder would
// (forbidden_calls()) end the process. clone3 is "not implemented", so that glibc falls back to
// clone, whose flags a filter can see.
//
// Returns what is in force, e.g. "seccomp (146 calls)". The error says what is lacking; nothing has
// changed then.
[[nodiscard]] std::expected<std::string, std::string> confine_calls();

[[nodiscard]] std::span<const std::string_view> allowed_calls() noexcept;
[[nodiscard]] std::span<const std::string_view> forbidden_calls() noexcept;

}  // namespace sluice::app
