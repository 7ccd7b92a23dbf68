// What the end of an attempt says about the deployment, and about trying again.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <sluice/base/clock.h>
#include <sluice/base/error.h>
#include <sluice/config/routing.h>

namespace sluice::resilience {

// How an attempt ended: with a response head, with an error before one, or with an error behind one
// when a stream broke. Views live until the call returns.
struct AttemptEnd {
  std::optional<Error> error;           // When set, it counts and not the status.
  uint16_t status = 0;                  // Of the head, when there is one.
  std::string_view body;                // The beginning of an error's body that is at hand.
  std::optional<Duration> retry_after;  // What the answer asked for.
  bool used_pooled_connection = false;
  bool has_received_bytes = false;  // At least one byte of an answer came.
  // The clock that ran out gave this attempt less time than the configuration gives: by the wish of
  // the client, or because the line and earlier attempts had used it up.
  bool had_short_clock = false;
};

enum class Verdict : uint8_t {
  kNothing,     // Says nothing of the deployment: the client's mistake, cancelled, our own trouble.
  kSuccess,     // It answered.
  kFailure,     // It failed; the breaker counts it.
  kOverloaded,  // It asks for rest: a cooldown, which the breaker does not count.
};

struct Judgement {
  Verdict verdict = Verdict::kNothing;
  bool may_retry = false;  // As far as the failure goes; decide_retry() knows the rest.
  Duration cooldown{0};    // Not with kNothing or kSuccess.
  bool operator==(const Judgement&) const = default;
};

// Pure; the one place that classifies. The rules of `settings` come first, and the first that
// matches decides alone. Otherwise than one may expect: a client's mistake (any other 4xx than 401,
// 402, 408, 425 and 429) counts for nothing, and so does a short clock, or one tenant could
// rest a deployment for all; 401 and 402 count, for the credential is the operator's;
// 501 and 505 speak of the request.
[[nodiscard]] Judgement judge(const AttemptEnd& end,
                              const config::CooldownSettings& settings) noexcept;

// A connection from the pool died without an answer's first byte: the upstream had closed it before
// it saw the request (RFC 9112, 9.3.1).
[[nodiscard]] bool is_reuse_race(const AttemptEnd& end) noexcept;

// Whether the judgement of an answer with this status may depend on its body.
[[nodiscard]] bool needs_body(uint16_t status, const config::CooldownSettings& settings) noexcept;

}  // namespace sluice::resilience
