#include "ledger_wait.h"
#include "search.h"

namespace sluice::exchange {
namespace {

// What a request waits for one after the other: places of the model, its deployment and the
// process, and answers of the ledger. Beyond it others are always faster.
constexpr int kWaitsMax = 16;

using Obstacle = Search::Obstacle;

// Why there is no seat, for a client that has got no answer of an upstream.
Refusal refuse(const Search& search) noexcept {
  const ErrorDetails details{.model =
                                 search.generation().config.model(search.admission().model).name};
  const config::Snapshot& config = search.generation().config;
  if (config.model(search.model()).routes.empty()) {
    return {{ErrorCode::kNoHealthyUpstream, Side::kSelf, Retry::kNever, "no server was found yet"},
            {}};
  }
  if (!search.has_candidates()) {
    return {{ErrorCode::kUnsupportedEndpoint, Side::kDownstream, Retry::kNever, "no capability"},
            details};
  }
  if (search.obstacle() == Obstacle::kFull) {
    return {{ErrorCode::kQueueTimeout, Side::kSelf, Retry::kNever, "others were faster"}, {}};
  }
  const MonoTime now = search.services().ring.now();
  const MonoTime usable_at = search.usable_at();
  const bool is_known = usable_at != MonoTime::max() && usable_at > now;
  const Duration retry_after = is_known ? usable_at - now : Duration::zero();
  if (search.obstacle() == Obstacle::kLimited || search.obstacle() == Obstacle::kAsking) {
    return {{ErrorCode::kRateLimited, Side::kSelf, Retry::kNever, "all candidates have limits"},
            {.retry_after = retry_after}};
  }
  return {{ErrorCode::kNoHealthyUpstream, Side::kSelf, Retry::kNever,
           search.obstacle() == Obstacle::kResting ? "all candidates rest" : "no candidate"},
          {.retry_after = retry_after}};
}

// Says more than what the next model's search would say. That one model does not serve the endpoint
// says nothing once another one does.
bool says_more(const std::optional<Refusal>& refusal) noexcept {
  return refusal && refusal->error.detail != "no candidate" &&
         refusal->error.code != ErrorCode::kUnsupportedEndpoint;
}

bool may_wait(const Search& search) noexcept {
  return search.obstacle() == Obstacle::kFull || search.obstacle() == Obstacle::kAsking;
}

// A seat at a deployment whose limits wait for the ledger. Suspends, at most for redis.wait_max.
Task<Outcome<Seat>> take_lent(Search& search, http::ResponseSink& client) {
  return await_ledger<Seat>(search.services(), search.generation(), client,
                            [&search](Patience patience) -> std::optional<Outcome<Seat>> {
                              Seat seat = search.take_seat();
                              if (search.obstacle() != Obstacle::kAsking) return seat;
                              if (patience == Patience::kLeft) return std::nullopt;
                              return std::unexpected(refuse(search));
                            });
}

}  // namespace

std::optional<Refusal> refuse_at_rest(Search& search) noexcept {
  if (!search.end_at_rest()) return std::nullopt;
  return refuse(search);
}

Task<Outcome<Seat>> find_seat(Search& search, http::ResponseSink& client) {
  std::optional<Refusal> last;
  int waits = 0;
  do {
    Seat seat = search.take_seat();
    while (!seat.is_taken() && may_wait(search) && waits++ < kWaitsMax) {
      last.reset();
      if (search.obstacle() == Obstacle::kFull) {
        Outcome<limit::Place> place = co_await wait_in_line(search, client);
        if (place) {
          seat = search.take_seat(std::move(*place));
        } else {
          last = place.error();
        }
      } else {
        Outcome<Seat> lent = co_await take_lent(search, client);
        if (lent) {
          seat = std::move(*lent);
        } else {
          last = lent.error();
        }
      }
      if (!last) continue;
      if (last->error.side == Side::kDownstream) co_return std::unexpected(*last);  // It has left.
      break;
    }
    if (seat.is_taken()) co_return seat;
    search.release_kept();
    if (!says_more(last)) last = refuse(search);
  } while (search.fall_back() || search.begin_another_round());
  co_return std::unexpected(*last);
}

}  // namespace sluice::exchange
