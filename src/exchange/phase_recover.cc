// A stream that broke goes on with the answer of another attempt (D23).
#include <sluice/base/assert.h>

#include "outgoing.h"

namespace sluice::exchange {
namespace {

constexpr uint16_t kOk = 200;

// Whether one more attempt may be made for a stream whose client has got a part of it.
bool may_recover(Search& search, const http::ResponseSink& client, bool is_there) noexcept {
  SLUICE_ASSERT(client.is_committed());
  ModelFlow& flow = search.flow();
  if (!is_there || !search.has_attempts_left()) return false;
  if (!flow.budget.try_take(search.services().ring.now())) {
    flow.cells.retries_refused[metrics::RetryKind::kRecovery].add();
    return false;
  }
  flow.cells.retries[metrics::RetryKind::kRecovery].add();
  return true;
}

}  // namespace

Task<std::optional<Answer>> recover(Search& search, std::string_view partial,
                                    http::ResponseSink& client) {
  if (!may_recover(search, client, !client.interrupted().is_ready())) co_return std::nullopt;
  const Duration delay = search.backoff();
  if (!co_await pause(search.services(), client, delay, Deadline::never())) co_return std::nullopt;
  search.begin_recovery(partial);
  Outcome<Answer> answer = co_await route_and_send(search, client);
  if (!answer) co_return std::nullopt;
  const http::ResponseHead& head = answer->attempt->head();
  // A refusal of the continued request is not what the client's stream can go on with.
  if (head.status != kOk || !is_event_stream(head) || !answer->seat.is_open()) {
    co_return std::nullopt;
  }
  co_return std::move(*answer);
}

}  // namespace sluice::exchange
