// A second attempt beside a slow first one.
#include <sluice/io/timer.h>

#include "outgoing.h"

namespace sluice::exchange {
namespace {

// One of two attempts. Lives in the frame of run_hedged(), until `done`.
struct Racer {
  explicit Racer(io::ReadyQueue& ready) noexcept : gone(ready), done(ready) {}

  std::optional<Answer> answer;
  OutgoingRequest request;
  io::Event gone;  // Ends it.
  io::Event done;
  Result<void> answered;
  bool is_running = false;
  bool was_cut = false;  // It lost.
};

Task<void> run_racer(Racer* racer) {
  racer->answered = co_await racer->answer->attempt->run(racer->request, racer->gone, false);
  racer->is_running = false;
  racer->done.trigger();
}

void start(Racer& racer, Answer answer, const OutgoingRequest& request) {
  racer.answer.emplace(std::move(answer));
  racer.request = request;
  racer.is_running = true;
  io::start_detached(run_racer(&racer));
}

// The present times to a first token decide when a second attempt makes sense.
void note_first_token(Search& search, Racer& racer) noexcept {
  const MonoTime sent_at = racer.answer->attempt->sent_at();
  if (sent_at == MonoTime{}) return;  // It never got that far.
  const MonoTime now = search.services().ring.now();
  search.flow().hedge->note_first_token(now - sent_at, now);
}

// The second attempt, when there is budget, a deployment and memory for it.
void start_second(Search& search, Racer& second) {
  ModelFlow& flow = search.flow();
  const MonoTime now = search.services().ring.now();
  if (!search.has_attempts_left() || !flow.hedge->try_take() || !flow.budget.try_take(now)) return;
  Seat seat = search.take_other_seat();
  if (!seat.is_taken()) return;
  Answer answer = begin_answer(search, std::move(seat));
  OutgoingRequest request;
  if (!prepare_request(search, answer, request)) return;
  answer.seat.open(now);
  search.settlement().begin_attempt(answer.seat.upstream(), false);
  start(second, std::move(answer), request);
}

// Cut in this turn; its frame lives on until the kernel has let go of it.
void cut(Racer& racer) noexcept {
  if (!racer.is_running) return;
  racer.was_cut = true;
  racer.gone.trigger();
}

// Settles the one that the client does not hear of.
void settle_loser(Search& search, Racer& racer, http::ResponseSink& client) noexcept {
  search.settlement().end_attempt(*racer.answer->attempt);
  if (racer.was_cut) {
    note_first_token(search, racer);
    search.flow().cells.hedge_wasted_tokens.add(search.admission().prompt_tokens);
    racer.answer.reset();  // A seat that is dropped was cancelled.
    return;
  }
  const MonoTime now = search.services().ring.now();
  const resilience::AttemptEnd end = end_of(*racer.answer, racer.answered, client, now);
  search.note_failure(end);
  racer.answer->seat.end(outcome_of(end), judge(search, *racer.answer, end), now);
  racer.answer.reset();
}

bool is_good(const Search& search, Racer& racer, http::ResponseSink& client) noexcept {
  if (!racer.answered) return false;
  const resilience::AttemptEnd end =
      end_of(*racer.answer, racer.answered, client, search.services().ring.now());
  return judge(search, *racer.answer, end).verdict == resilience::Verdict::kSuccess;
}

void count(const Search& search, const Racer* winner, const Racer& second) noexcept {
  using metrics::HedgeOutcome;
  const HedgeOutcome outcome = winner == &second ? HedgeOutcome::kWon
                               : second.was_cut  ? HedgeOutcome::kLost
                                                 : HedgeOutcome::kFailed;
  search.flow().cells.hedges[outcome].add();
}

}  // namespace

Task<Result<void>> run_hedged(Search& search, Answer& answer, const OutgoingRequest& request,
                              http::ResponseSink& client) {
  io::Ring& ring = search.services().ring;
  Racer first(ring.ready()), second(ring.ready());
  io::Timer timer(ring.ready(), ring.timers());
  if (const auto delay = search.flow().hedge->delay()) timer.set(Deadline{ring.now() + *delay});
  start(first, std::move(answer), request);
  Racer* winner = nullptr;
  while (first.is_running || second.is_running) {
    const bool is_decided = first.was_cut || second.was_cut;
    co_await io::first_of(first.is_running ? &first.done : nullptr,
                          second.is_running ? &second.done : nullptr,
                          is_decided ? nullptr : &client.interrupted(),
                          is_decided || second.answer ? nullptr : &timer);
    if (client.interrupted().is_ready()) {
      cut(first);
      cut(second);
    } else if (winner == nullptr) {
      for (Racer* racer : {&first, &second}) {
        if (winner != nullptr || !racer->answer || racer->is_running) continue;
        if (is_good(search, *racer, client)) winner = racer;
      }
      if (winner != nullptr) {
        note_first_token(search, *winner);
        cut(winner == &first ? second : first);
      } else if (first.is_running && !second.answer && timer.is_ready()) {
        timer.clear();
        start_second(search, second);
      }
    }
  }
  if (second.answer) count(search, winner, second);
  // When both have failed the first one speaks.
  if (winner == nullptr) winner = &first;
  Racer& loser = winner == &first ? second : first;
  if (loser.answer) settle_loser(search, loser, client);
  search.settlement().end_attempt(*winner->answer->attempt);
  answer = std::move(*winner->answer);
  co_return winner->answered;
}

}  // namespace sluice::exchange
