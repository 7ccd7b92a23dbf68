// What tests of this module share: moments, ends of attempts and judgements of them.
#pragma once

#include <sluice/resilience/judge.h>

namespace sluice::resilience {

inline MonoTime at(Duration since_start) { return MonoTime(seconds(1000)) + since_start; }

inline constexpr Judgement kNothing{};
inline constexpr Judgement kSuccess{.verdict = Verdict::kSuccess};

constexpr Judgement overloaded(Duration cooldown) {
  return {.verdict = Verdict::kOverloaded, .may_retry = true, .cooldown = cooldown};
}

inline AttemptEnd answered(uint16_t status, std::string_view body = {}) {
  return {.status = status, .body = body, .has_received_bytes = true};
}

inline AttemptEnd failed(ErrorCode code, Side side = Side::kUpstream) {
  return {.error = Error{code, side, Retry::kNever, ""}};
}

}  // namespace sluice::resilience
