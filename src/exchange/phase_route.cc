#include "search.h"

namespace sluice::exchange {
namespace {

// Places that a request waits for one after the other: the model's, its deployment's, the
// process's. Beyond it others are always faster.
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
  if (search.obstacle() == Obstacle::kLimited) {
    return {{ErrorCode::kRateLimited, Side::kSelf, Retry::kNever, "all candidates have limits"},
            {.retry_after = search.usable_at() - now}};
  }
  const MonoTime usable_at = search.usable_at();
  const bool is_known = usable_at != MonoTime::max() && usable_at > now;
  return {{ErrorCode::kNoHealthyUpstream, Side::kSelf, Retry::kNever,
           search.obstacle() == Obstacle::kResting ? "all candidates rest" : "no candidate"},
          {.retry_after = is_known ? usable_at - now : Duration::zero()}};
}

// Says more than what the next model's search would say. That one model does not serve the endpoint
// says nothing once another one does.
bool says_more(const std::optional<Refusal>& refusal) noexcept {
  return refusal && refusal->error.detail != "no candidate" &&
         refusal->error.code != ErrorCode::kUnsupportedEndpoint;
}

}  // namespace

Task<Outcome<Seat>> find_seat(Search& search, http::ResponseSink& client) {
  std::optional<Refusal> last;
  int waits = 0;
  do {
    Seat seat = search.take_seat();
    while (!seat.is_taken() && search.obstacle() == Obstacle::kFull && waits++ < kWaitsMax) {
      Outcome<limit::Place> place = co_await wait_in_line(search, client);
      if (!place && place.error().error.side == Side::kDownstream) {
        co_return std::unexpected(place.error());  // The client has left.
      }
      if (!place) {
        last = place.error();
        break;
      }
      last.reset();
      seat = search.take_seat(std::move(*place));
    }
    if (seat.is_taken()) co_return seat;
    search.release_kept();
    if (!says_more(last)) last = refuse(search);
  } while (search.fall_back() || search.begin_another_round());
  co_return std::unexpected(*last);
}

}  // namespace sluice::exchange
