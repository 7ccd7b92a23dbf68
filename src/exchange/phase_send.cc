#include <charconv>

#include <sluice/base/units.h>
#include <sluice/io/timer.h>
#include <sluice/resilience/judge.h>

#include "search.h"

namespace sluice::exchange {
namespace {

using resilience::RetryDecision;

bool asks_for_usage(const Generation& generation, const config::Upstream& upstream,
                    Endpoint endpoint, const json::Envelope& envelope) noexcept {
  return generation.config.usage_accounting && has_stream_options(endpoint) && envelope.stream &&
         envelope.include_usage != json::IncludeUsage::kOn &&
         upstream.stream_usage == config::StreamUsage::kInject;
}

// The name that the upstream knows the model by; empty when the client has sent just that. Nothing
// when there is no memory.
std::optional<std::string_view> choose_name(Search& search, Answer& answer) noexcept {
  const Admission& admission = search.admission();
  const Seat& seat = answer.seat;
  std::string_view name = search.generation().model_names[seat.model().value][seat.route_index()];
  if (name.find('*') != std::string_view::npos) {
    name = answer.attempt->write_name(name, admission.wild);
    if (name.empty()) return std::nullopt;
  }
  const json::ByteRange& token = admission.envelope.model_token;
  return admission.body.substr(token.offset, token.length) == name ? std::string_view() : name;
}

OutgoingRequest build_request(Search& search, const Answer& answer,
                              std::string_view name) noexcept {
  Generation& generation = search.generation();
  const UpstreamId upstream = answer.seat.upstream();
  const Admission& admission = search.admission();
  return {
      .upstream = &generation.config.upstream(upstream),
      .pool = generation.pools[upstream.value],
      .head = &search.head(),
      .forwarded_headers = generation.forwarded_headers[upstream.value],
      .fields = generation.request_fields[upstream.value],
      .request_id = search.settlement().request_id(),
      .priority = admission.priority,
      .body = json::plan_body(admission.body, admission.envelope,
                              {.model = name, .include_usage = answer.hides_usage}),
      .timeouts = answer.timeouts,
      .total = answer.total,
  };
}

std::optional<Duration> read_retry_after(const http::HeaderList& headers) noexcept {
  const auto number = [](std::string_view text) -> std::optional<uint64_t> {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_whole = error == std::errc{} && end == text.data() + text.size();
    // A day at most; more is no waiting time.
    return is_whole && value <= 86'400'000 ? std::optional(value) : std::nullopt;
  };
  if (const auto ms = number(headers.find("retry-after-ms"))) return milliseconds(*ms);
  if (const auto s = number(headers.find(http::HeaderName::kRetryAfter))) {
    return std::min<Duration>(seconds(*s), seconds(86'400));
  }
  return std::nullopt;
}

// The client's leaving as the error that it is.
Error error_of(http::ResponseSink& client) noexcept {
  return {client.interruption(), Side::kDownstream, Retry::kNever, "ended before the answer"};
}

resilience::AttemptEnd end_of(Answer& answer, const Result<void>& answered,
                              http::ResponseSink& client, MonoTime now) noexcept {
  const Attempt& attempt = *answer.attempt;
  resilience::AttemptEnd end{.used_pooled_connection = attempt.was_reused(),
                             .has_received_bytes = attempt.has_answer_bytes()};
  if (!answered) {
    const bool is_gone = client.interrupted().is_ready();
    end.error = is_gone ? error_of(client) : answered.error();
    end.had_short_clock = had_short_clock(end.error->code, answer.route->timeouts, answer.timeouts,
                                          now - answer.seat.opened_at());
    return end;
  }
  end.status = attempt.head().status;
  if (end.status >= 400) {
    end.body = attempt.body_at_hand();
    end.retry_after = read_retry_after(attempt.head().headers);
  }
  return end;
}

// Between two attempts. False when the client left or the request's time is over.
Task<bool> pause(Services& services, http::ResponseSink& client, Duration delay, Deadline total) {
  io::Timer timer(services.ring.ready(), services.ring.timers());
  timer.set(Deadline{services.ring.now() + delay}.sooner(total));
  co_await io::first_of(&timer, &client.interrupted());
  co_return !client.interrupted().is_ready() && !total.has_passed(services.ring.now());
}

// What the loop of attempts knows of those that are over.
struct Past {
  Answer kept;  // The last answer that was a failure; the client gets it when nothing better comes.
  Refusal last{{ErrorCode::kNoHealthyUpstream, Side::kSelf, Retry::kNever, "no candidate"}, {}};
  bool has_failed = false;  // `last` is an attempt's error.
};

void note_failed(Past& past, Answer answer, const resilience::AttemptEnd& end) noexcept {
  if (end.error) {
    past.last = {*end.error, {}};
    past.has_failed = true;
  } else {
    past.kept = std::move(answer);
  }
}

// That none was left to try says less than how the last one failed, unless it is known when one
// will be there again.
void note_none_left(Past& past, const Refusal& refusal) noexcept {
  const bool says_more =
      refusal.error.side == Side::kDownstream || refusal.details.retry_after > Duration::zero();
  if (!past.has_failed || says_more) past.last = refusal;
}

void note_interrupted(Past& past, http::ResponseSink& client) noexcept {
  if (client.interrupted().is_ready()) past.last = {error_of(client), {}};
}

// Whether and where to try again, the budget asked; counts what it decides.
RetryDecision decide(Search& search, const resilience::AttemptEnd& end,
                     const resilience::Judgement& judgement, bool client_is_present) noexcept {
  search.retries.is_client_present = client_is_present;
  const RetryDecision decision = decide_retry(end, judgement, search.retries);
  if (decision != RetryDecision::kNextCandidate) return decision;
  metrics::ModelCells& cells = search.flow().cells;
  if (!search.flow().budget.try_take(search.services().ring.now())) {
    cells.retries_refused[metrics::RetryKind::kRetry].add();
    return RetryDecision::kStop;
  }
  cells.retries[metrics::RetryKind::kRetry].add();
  return decision;
}

Answer begin_answer(Search& search, Seat seat) noexcept {
  const config::Snapshot& config = search.generation().config;
  Answer answer;
  answer.route = &seat.route();
  answer.model = seat.model();
  answer.timeouts =
      apply_wishes(seat.route().timeouts, search.admission().timeouts, config.timeout_header_max);
  answer.total = Deadline::after(search.settlement().began_at(), answer.timeouts.total);
  answer.hides_usage = asks_for_usage(search.generation(), config.upstream(seat.upstream()),
                                      search.endpoint(), search.admission().envelope);
  answer.attempt = AttemptPtr(search.services());
  answer.seat = std::move(seat);
  return answer;
}

}  // namespace

Task<Outcome<Answer>> route_and_send(Services& services, Generation& generation, Endpoint endpoint,
                                     const http::RequestHead& head, const Admission& admission,
                                     http::ResponseSink& client, Settlement& settlement) {
  Search search(services, generation, endpoint, head, admission, settlement);
  Past past;
  RetryDecision decision = RetryDecision::kNextCandidate;
  Seat seat = search.take_seat();
  while (decision != RetryDecision::kStop) {
    const bool fresh = decision == RetryDecision::kFreshConnection;
    if (!seat.is_taken()) {
      Outcome<Seat> found = co_await find_seat(search, client);
      if (!found) {
        note_none_left(past, found.error());
        break;
      }
      seat = std::move(*found);
    }
    search.retries.has_used_fresh_retry = search.retries.has_used_fresh_retry || fresh;
    Answer answer = begin_answer(search, std::move(seat));
    const std::optional<std::string_view> name =
        answer.attempt.is_held() ? choose_name(search, answer) : std::nullopt;
    if (!name) {
      past.last = {{ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "byte budget is spent"},
                   {}};
      break;
    }
    const OutgoingRequest request = build_request(search, answer, *name);
    if (!fresh) answer.seat.open(services.ring.now());
    settlement.begin_attempt(answer.seat.upstream(), fresh);
    const Result<void> answered =
        co_await answer.attempt->run(request, client.interrupted(), fresh);
    settlement.end_attempt(*answer.attempt);
    const resilience::AttemptEnd end = end_of(answer, answered, client, services.ring.now());
    const resilience::Judgement judgement = resilience::judge(end, request.upstream->cooldown);
    if (answered && judgement.verdict == resilience::Verdict::kSuccess) co_return answer;

    search.note_failure(end);
    decision = decide(search, end, judgement, !client.interrupted().is_ready());
    if (decision == RetryDecision::kFreshConnection) {
      seat = std::move(answer.seat);
      continue;
    }
    answer.seat.end(outcome_of(end), judgement, services.ring.now());
    const Deadline total = answer.total;
    note_failed(past, std::move(answer), end);
    if (decision == RetryDecision::kStop || !search.has_more()) break;
    const Duration delay = resilience::backoff_before(
        search.retries.attempts_made, generation.config.model(search.model()).retries,
        services.random.next_u64());
    if (!co_await pause(services, client, delay, total)) {
      note_interrupted(past, client);
      break;
    }
  }
  if (past.kept.attempt.is_held() && !client.interrupted().is_ready())
    co_return std::move(past.kept);
  co_return std::unexpected(past.last);
}

}  // namespace sluice::exchange
