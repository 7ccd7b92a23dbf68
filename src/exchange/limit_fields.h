// The x-ratelimit-* fields, as OpenAI sends them: what a key may still use, and when it has all of
// it again.
#pragma once

#include <cstddef>

#include <sluice/base/clock.h>
#include <sluice/http/response_sink.h>
#include <sluice/limit/rate_limiter.h>

namespace sluice::exchange {

// Adds those that are known. They are written as one text, since most answers carry them.
void add_limit_fields(http::ResponseSink& sink, const limit::RateLimiter::Views& views) noexcept;

// "12ms", "7.500s", "6m0s", "2h30m0s". Returns the end of what was written at `to`, which has room
// for kDurationTextMost.
inline constexpr size_t kDurationTextMost = 32;
[[nodiscard]] char* write_duration(char* to, milliseconds time) noexcept;

}  // namespace sluice::exchange
