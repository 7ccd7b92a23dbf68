// Dates as RFC 3339 writes them.
#pragma once

#include <optional>
#include <string_view>

#include <sluice/base/clock.h>

namespace sluice::config {

// "2026-12-31T23:59:59Z", with an optional fraction and an offset such as +01:00 instead of Z.
[[nodiscard]] std::optional<WallTime> parse_rfc3339(std::string_view text) noexcept;

}  // namespace sluice::config
