// What a client asks of the clocks of its own request, by x-sluice-timeout.
#pragma once

#include <optional>
#include <string_view>

#include <sluice/base/error.h>
#include <sluice/config/snapshot.h>

namespace sluice::exchange {

// "30s" is the whole request; "connect=1s, first_token=5s, total=30s" names the clocks.
struct TimeoutWishes {
  std::optional<Duration> connect;
  std::optional<Duration> response;
  std::optional<Duration> first_token;
  std::optional<Duration> idle;
  std::optional<Duration> total;
};

// Empty when `text` is not valid.
[[nodiscard]] std::optional<TimeoutWishes> parse_timeout_wishes(std::string_view text) noexcept;

// A wish may shorten a clock, as any does one that is off, and lengthen it up to `cap`.
[[nodiscard]] config::UpstreamTimeouts apply_wishes(const config::UpstreamTimeouts& configured,
                                                    const TimeoutWishes& wishes,
                                                    Duration cap) noexcept;

// Whether an attempt that `code` ended after `lasted` had less time than the configuration gives:
// by a wish, or because the line and earlier attempts had used it up. Then it says nothing about
// its deployment, or one client could make it rest for all (D30).
[[nodiscard]] bool had_short_clock(ErrorCode code, const config::UpstreamTimeouts& configured,
                                   const config::UpstreamTimeouts& applied,
                                   Duration lasted) noexcept;

}  // namespace sluice::exchange
