#include <sluice/config/upstream_path.h>
#include <sluice/resilience/retry_policy.h>

#include "phases.h"

namespace sluice::exchange {
namespace {

constexpr uint16_t kFirstServerError = 500;

bool asks_for_usage(const Generation& generation, const config::Upstream& upstream,
                    Endpoint endpoint, const json::Envelope& envelope) noexcept {
  return generation.config.usage_accounting && has_stream_options(endpoint) && envelope.stream &&
         envelope.include_usage != json::IncludeUsage::kOn &&
         upstream.stream_usage == config::StreamUsage::kInject;
}

// Candidates that cannot serve this path at all count as tried from the start.
route::Tried exclude_unfit(const config::Snapshot& config, const config::Model& model,
                           std::string_view path) noexcept {
  route::Tried tried;
  for (size_t i = 0; i < model.routes.size(); ++i) {
    if (!config::serves(config.upstream(model.routes[i].upstream).endpoint, path)) tried.add(i);
  }
  return tried;
}

OutgoingRequest build_request(Generation& generation, const config::Route& route,
                              size_t route_index, const http::RequestHead& head,
                              std::string_view request_id, const Admission& admission,
                              bool adds_usage) noexcept {
  const config::Snapshot& config = generation.config;
  const std::string& name = generation.model_names[admission.model.value][route_index];
  return {
      .upstream = &config.upstream(route.upstream),
      .pool = generation.pools[route.upstream.value],
      .head = &head,
      .forward_headers = config.forward_headers,
      .authorization = generation.authorizations[route.upstream.value],
      .request_id = request_id,
      .priority = admission.priority,
      .body = json::plan_body(admission.body, admission.envelope,
                              {.model = name, .include_usage = adds_usage}),
  };
}

// The attempt, and once more on a fresh connection when a kept one had died before it answered.
Task<Result<void>> run_attempt(Services& services, AttemptPtr& attempt,
                               const OutgoingRequest& request, http::ResponseSink& client,
                               bool& has_raced, Settlement& settlement) {
  Result<void> answered = co_await attempt->run(request, client, /*fresh=*/false);
  if (answered || answered.error().retry != Retry::kIfReused || has_raced) co_return answered;
  has_raced = true;
  settlement.note_reuse_race();
  attempt = AttemptPtr(services);
  if (!attempt.is_held()) co_return answered;
  answered = co_await attempt->run(request, client, /*fresh=*/true);
  co_return answered;
}

}  // namespace

Task<Outcome<Answer>> route_and_send(Services& services, Generation& generation,
                                     Endpoint endpoint, const http::RequestHead& head,
                                     std::string_view request_id, const Admission& admission,
                                     http::ResponseSink& client, Settlement& settlement) {
  const config::Snapshot& config = generation.config;
  const config::Model& model = config.model(admission.model);
  route::Tried tried = exclude_unfit(config, model, head.path);
  Answer kept;  // The last 5xx; the client gets it when nothing better comes.
  Error last{ErrorCode::kNoHealthyUpstream, Side::kSelf, Retry::kNever, "no candidate"};
  bool has_raced = false;
  for (uint32_t number = 1; number <= config.limits.attempts; ++number) {
    const route::Pick pick = generation.router.pick(admission.model, tried);
    if (pick.route == nullptr) break;
    tried.add(pick.index);
    const config::Upstream& upstream = config.upstream(pick.route->upstream);
    Answer answer;
    answer.route = pick.route;
    answer.hides_usage = asks_for_usage(generation, upstream, endpoint, admission.envelope);
    answer.attempt = AttemptPtr(services);
    if (!answer.attempt.is_held()) {
      last = {ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "byte budget is spent"};
      break;
    }
    const OutgoingRequest request = build_request(generation, *pick.route, pick.index, head,
                                                  request_id, admission, answer.hides_usage);
    settlement.begin_attempt(pick.route->upstream);
    const Result<void> answered = co_await run_attempt(services, answer.attempt, request, client,
                                                       has_raced, settlement);
    const uint16_t status = answered && answer.attempt.is_held() ? answer.attempt->head().status : 0;
    settlement.end_attempt(answer.attempt.is_held() ? &*answer.attempt : nullptr, answered);
    if (answered && status < kFirstServerError) co_return answer;
    const resilience::RetryDecision decision = resilience::decide({
        .error = answered ? nullptr : &answered.error(),
        .status = status,
        .attempt = number,
        .attempts_max = config.limits.attempts,
        .client_is_present = !client.interrupted().is_ready(),
    });
    if (answered) {
      kept = std::move(answer);
    } else {
      last = answered.error();
    }
    if (decision != resilience::RetryDecision::kNextCandidate) break;
  }
  const bool client_is_gone = last.side == Side::kDownstream;
  if (kept.attempt.is_held() && !client_is_gone) co_return kept;
  co_return std::unexpected(Refusal{last, {}});
}

}  // namespace sluice::exchange
