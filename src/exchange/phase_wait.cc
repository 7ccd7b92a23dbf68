#include <sluice/exchange/waiting_room.h>
#include <sluice/io/timer.h>

#include "search.h"

namespace sluice::exchange {
namespace {

using metrics::QueueOutcome;

Refusal refuse(ErrorCode code, std::string_view why, Duration retry_after) noexcept {
  return {{code, Side::kSelf, Retry::kNever, why}, {.retry_after = retry_after}};
}

// A place in the model's line, or nothing when it is full.
std::optional<limit::Place> take_line_place(Services& services, PlaceBank* places,
                                            const config::QueueSettings& settings) noexcept {
  if (settings.length_max == 0) return std::nullopt;
  if (places == nullptr) return limit::Place();
  return limit::take_place(*places, services.waiting_room.waker());
}

}  // namespace

Task<Outcome<limit::Place>> wait_in_line(Search& search, http::ResponseSink& client) {
  Services& services = search.services();
  ModelFlow& flow = search.flow();
  const config::QueueSettings& settings = search.generation().config.model(search.model()).queue;
  const std::optional<limit::Place> line_place =
      take_line_place(services, search.generation().queue_places(search.model()), settings);
  if (!line_place) {
    flow.cells.queue_outcomes[QueueOutcome::kFull].add();
    co_return std::unexpected(refuse(ErrorCode::kQueueFull, "the line is full",
                                     flow.wait_times.estimate(flow.queue.size())));
  }
  const MonoTime began = services.ring.now();
  InLine waiting(services.ring.ready(), search.generation(), search.model());
  search.describe(waiting);
  waiting.since = began;
  io::Timer timer(services.ring.ready(), services.ring.timers());
  timer.set(Deadline::after(began, settings.wait_max).sooner(search.total()));
  services.waiting_room.join(waiting);
  co_await io::first_of(&waiting.served, &client.interrupted(), &timer);
  services.waiting_room.leave(waiting);

  const Duration waited = services.ring.now() - began;
  search.settlement().note_wait(waited, flow.queue, waiting.tokens);
  flow.cells.queue_wait.record(waited);
  if (client.interrupted().is_ready()) {
    flow.cells.queue_outcomes[QueueOutcome::kClientLeft].add();
    co_return std::unexpected(Refusal{
        {client.interruption(), Side::kDownstream, Retry::kNever, "ended while in line"}, {}});
  }
  if (!waiting.place.is_held()) {
    flow.cells.queue_outcomes[QueueOutcome::kTimeout].add();
    co_return std::unexpected(refuse(ErrorCode::kQueueTimeout, "no place came free in time",
                                     flow.wait_times.estimate(flow.queue.size())));
  }
  flow.cells.queue_outcomes[QueueOutcome::kServed].add();
  flow.wait_times.note_served(waited, services.ring.now());
  co_return std::move(waiting.place);
}

}  // namespace sluice::exchange
