// Sizes and durations as people write them: "32MiB", "250ms", "1m30s".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/base/clock.h>

namespace sluice {

// Accepts a decimal integer with an optional B, KB, MB, GB (powers of 1000) or KiB, MiB, GiB
// (powers of 1024). Empty on anything else and on overflow of 63 bits.
[[nodiscard]] std::optional<uint64_t> parse_bytes(std::string_view text) noexcept;

// Accepts one or more <integer><us|ms|s|m|h|d> parts in falling order, or "0". Empty otherwise.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text) noexcept;

// The shortest exact spelling, e.g. 33554432 -> "32MiB", 90 s -> "1m30s".
[[nodiscard]] std::string format_bytes(uint64_t bytes);
[[nodiscard]] std::string format_duration(Duration duration);

}  // namespace sluice
