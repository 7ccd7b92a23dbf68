#include <sluice/resilience/judge.h>

#include <algorithm>

namespace sluice::resilience {
namespace {

constexpr Judgement kIsNothing{};
constexpr Judgement kIsRetriedNothing{.verdict = Verdict::kNothing, .may_retry = true};
constexpr Judgement kIsRetriedFailure{.verdict = Verdict::kFailure, .may_retry = true};

Judgement judge_error(const AttemptEnd& end, const Error& error) noexcept {
  if (error.side != Side::kUpstream) return kIsNothing;
  switch (error.code) {
    case ErrorCode::kUpstreamLost:
      return is_reuse_race(end) ? kIsRetriedNothing : kIsRetriedFailure;
    case ErrorCode::kUpstreamConnect:
    case ErrorCode::kUpstreamTls:
    case ErrorCode::kUpstreamProtocol:
    case ErrorCode::kUpstreamStatus: return kIsRetriedFailure;
    case ErrorCode::kConnectTimeout:
    case ErrorCode::kUpstreamTimeout:
    case ErrorCode::kFirstTokenTimeout:
    case ErrorCode::kUpstreamStalled:
      return end.had_short_clock ? kIsRetriedNothing : kIsRetriedFailure;
    // No time is left for another attempt.
    case ErrorCode::kTotalTimeout:
      return end.had_short_clock ? kIsNothing : Judgement{.verdict = Verdict::kFailure};
    default: return kIsNothing;
  }
}

bool is_about(const config::FailureRule& rule, uint16_t status) noexcept {
  return rule.status_min <= status && status <= rule.status_max;
}

const config::FailureRule* find_rule(const AttemptEnd& end,
                                     const config::CooldownSettings& settings) noexcept {
  for (const config::FailureRule& rule : settings.rules) {
    if (is_about(rule, end.status) && end.body.find(rule.body) != std::string_view::npos) {
      return &rule;
    }
  }
  return nullptr;
}

// A rule that asks for rest and does not count is what a 429 is.
Judgement judge_by_rule(const config::FailureRule& rule) noexcept {
  const bool rests = rule.cooldown > Duration::zero();
  return {.verdict = rule.counts ? Verdict::kFailure
                     : rests     ? Verdict::kOverloaded
                                 : Verdict::kNothing,
          .may_retry = rule.retries,
          .cooldown = rests ? rule.cooldown : Duration::zero()};
}

Duration asked_rest(const AttemptEnd& end, Duration otherwise,
                    const config::CooldownSettings& settings) noexcept {
  return std::clamp(end.retry_after.value_or(otherwise), Duration::zero(), settings.max);
}

Judgement judge_status(const AttemptEnd& end, const config::CooldownSettings& settings) noexcept {
  switch (end.status) {
    // The credential that was refused, or whose account is empty, is the operator's: a client's
    // never goes upstream.
    case 401:
    case 402: return kIsRetriedFailure;
    // Too slow or too early a request of ours: no mistake of the client's, nor a sign of illness.
    case 408:
    case 425: return kIsRetriedNothing;
    case 429:
    case 529:
      return {.verdict = Verdict::kOverloaded,
              .may_retry = true,
              .cooldown = asked_rest(end, settings.after_429, settings)};
    case 501:
    case 505: return kIsNothing;
    case 503:
      return {.verdict = Verdict::kFailure,
              .may_retry = true,
              .cooldown = asked_rest(end, Duration::zero(), settings)};
    default: break;
  }
  if (end.status >= 200 && end.status <= 299) return {.verdict = Verdict::kSuccess};
  return end.status >= 500 && end.status <= 599 ? kIsRetriedFailure : kIsNothing;
}

}  // namespace

Judgement judge(const AttemptEnd& end, const config::CooldownSettings& settings) noexcept {
  if (end.error) return judge_error(end, *end.error);
  const config::FailureRule* const rule = find_rule(end, settings);
  return rule != nullptr ? judge_by_rule(*rule) : judge_status(end, settings);
}

bool is_reuse_race(const AttemptEnd& end) noexcept {
  return end.error && end.error->side == Side::kUpstream &&
         end.error->code == ErrorCode::kUpstreamLost && end.used_pooled_connection &&
         !end.has_received_bytes;
}

bool needs_body(uint16_t status, const config::CooldownSettings& settings) noexcept {
  for (const config::FailureRule& rule : settings.rules) {
    if (is_about(rule, status)) return !rule.body.empty();
  }
  return false;
}

}  // namespace sluice::resilience
