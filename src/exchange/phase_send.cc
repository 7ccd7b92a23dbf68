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
  for (uint32_t i = 0; i < model.routes.size(); ++i) {
    if (!config::serves(config.upstream(model.routes[i].upstream).endpoint, path)) tried.mark(i);
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
      .forwarded_headers = generation.forwarded_headers,
      .fields = generation.request_fields[route.upstream.value],
      .request_id = request_id,
      .priority = admission.priority,
      .body = json::plan_body(admission.body, admission.envelope,
                              {.model = name, .include_usage = adds_usage}),
  };
}

resilience::AttemptEnd end_of(const Attempt& attempt, const Result<void>& answered) noexcept {
  resilience::AttemptEnd end{.used_pooled_connection = attempt.was_reused(),
                             .has_received_bytes = attempt.has_answer_bytes()};
  if (answered) {
    end.status = attempt.head().status;
  } else {
    end.error = answered.error();
  }
  return end;
}

}  // namespace

Task<Outcome<Answer>> route_and_send(Services& services, Generation& generation, Endpoint endpoint,
                                     const http::RequestHead& head, const Admission& admission,
                                     http::ResponseSink& client, Settlement& settlement) {
  const config::Snapshot& config = generation.config;
  route::Tried tried = exclude_unfit(config, config.model(admission.model), head.path);
  resilience::RetryState state{.attempts_made = 0, .attempts_max = config.limits.attempts};
  resilience::RetryDecision decision = resilience::RetryDecision::kNextCandidate;
  std::optional<route::Pick> pick;
  Answer kept;  // The last 5xx; the client gets it when nothing better comes.
  Error last{ErrorCode::kNoHealthyUpstream, Side::kSelf, Retry::kNever, "no candidate"};
  while (decision != resilience::RetryDecision::kStop) {
    const bool fresh = decision == resilience::RetryDecision::kFreshConnection;
    if (!fresh) {
      pick = generation.router.pick(admission.model, tried);
      if (!pick) break;
      tried.mark(pick->index);
      ++state.attempts_made;
    }
    state.has_used_fresh_retry = state.has_used_fresh_retry || fresh;
    Answer answer;
    answer.route = pick->route;
    answer.hides_usage = asks_for_usage(generation, config.upstream(pick->route->upstream),
                                        endpoint, admission.envelope);
    answer.attempt = AttemptPtr(services);
    if (!answer.attempt.is_held()) {
      last = {ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "byte budget is spent"};
      break;
    }
    const OutgoingRequest request =
        build_request(generation, *pick->route, pick->index, head, settlement.request_id(),
                      admission, answer.hides_usage);
    settlement.begin_attempt(pick->route->upstream, fresh);
    const Result<void> answered = co_await answer.attempt->run(request, client, fresh);
    const resilience::AttemptEnd end = end_of(*answer.attempt, answered);
    settlement.end_attempt(*answer.attempt, answered);
    if (answered && end.status < kFirstServerError) co_return answer;
    state.is_client_present = !client.interrupted().is_ready();
    decision = resilience::decide_retry(end, state);
    if (answered) {
      kept = std::move(answer);
    } else {
      last = answered.error();
    }
  }
  // An answer of an upstream says more than our own word that a later one could not be reached.
  if (kept.attempt.is_held() && last.side != Side::kDownstream) co_return kept;
  co_return std::unexpected(Refusal{last, {}});
}

}  // namespace sluice::exchange
