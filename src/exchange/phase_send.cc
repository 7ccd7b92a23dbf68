#include <sluice/io/timer.h>
#include <sluice/resilience/judge.h>

#include "outgoing.h"
#include "search.h"

namespace sluice::exchange {
namespace {

using resilience::RetryDecision;

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

void note_last(Past& past, Search& search) noexcept {
  if (const std::optional<Refusal> at_rest = refuse_at_rest(search)) note_none_left(past, *at_rest);
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

}  // namespace

Task<Outcome<Answer>> route_and_send(Search& search, http::ResponseSink& client) {
  Services& services = search.services();
  Settlement& settlement = search.settlement();
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
    OutgoingRequest request;
    if (!prepare_request(search, answer, request)) {
      past.last = {{ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "byte budget is spent"},
                   {}};
      break;
    }
    if (!fresh) answer.seat.open(services.ring.now());
    settlement.begin_attempt(answer.seat.upstream(), fresh);
    Result<void> answered;
    if (search.may_hedge() && !fresh) {
      answered = co_await run_hedged(search, answer, request, client);
    } else {
      answered = co_await answer.attempt->run(request, client.interrupted(), fresh);
      settlement.end_attempt(*answer.attempt);
    }
    const resilience::AttemptEnd end = end_of(answer, answered, client, services.ring.now());
    const resilience::Judgement judgement = judge(search, answer, end);
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
    if (decision == RetryDecision::kStop || !search.has_more()) {
      if (judgement.may_retry) note_last(past, search);
      break;
    }
    if (!co_await pause(services, client, search.backoff(), total)) {
      note_interrupted(past, client);
      break;
    }
  }
  const bool is_there = !client.interrupted().is_ready();
  if (past.kept.attempt.is_held() && is_there) co_return std::move(past.kept);
  co_return std::unexpected(past.last);
}

}  // namespace sluice::exchange
