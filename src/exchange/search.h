// Where an exchange stands in its search for a deployment: what it has tried, and what is left.
#pragma once

#include <optional>

#include <sluice/base/deadline.h>
#include <sluice/exchange/endpoint.h>
#include <sluice/exchange/services.h>
#include <sluice/exchange/waiting_room.h>
#include <sluice/http/request_parser.h>
#include <sluice/json/edit.h>
#include <sluice/json/envelope_reader.h>
#include <sluice/resilience/retry_policy.h>
#include <sluice/route/router.h>

#include "phases.h"
#include "seat.h"

namespace sluice::exchange {

// Lives in the frame of Exchange::run(). Everything given outlives it.
class Search {
 public:
  Search(Services& services, Generation& generation, Endpoint endpoint,
         const http::RequestHead& head, const Admission& admission,
         Settlement& settlement) noexcept;
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // What stands in the way of a seat when there is none.
  enum class Obstacle : uint8_t {
    kNone,
    kSpent,    // Every candidate was tried, or none can serve this request.
    kResting,  // Those that are left rest; see usable_at().
    kFull,     // Those that are left have no place; see describe().
    kLimited,  // Those that are left have reached a limit of their own; see usable_at().
    kAsking,   // The ledger was asked for what a limit of one of them lacks; its answer is near.
  };
  // Takes a deployment for the next attempt. `served` is a place that was waited for; a
  // deployment's is for that deployment only. Does not suspend.
  [[nodiscard]] Seat take_seat(limit::Place served = {}) noexcept;
  // Gives back what was kept for a seat that is not waited for any more.
  void release_kept() noexcept { kept_.release(); }
  // Takes a second one beside it, for a hedge; not taken when there is none at this moment.
  [[nodiscard]] Seat take_other_seat() noexcept;
  [[nodiscard]] Obstacle obstacle() const noexcept { return obstacle_; }

  // Turns to the next model that the present one falls back to and that the key may call; false
  // when there is none.
  [[nodiscard]] bool fall_back() noexcept;
  // Lets all candidates of the present model be tried once more; false when no attempt is left,
  // none was made since the last time, or a failure was of a kind that repeats itself.
  [[nodiscard]] bool begin_another_round() noexcept;
  // Whether there is anything left that could be tried, perhaps after a wait.
  [[nodiscard]] bool has_more() const noexcept;
  // Whether nobody could serve but as a probe, those that were tried included: no candidate of the
  // present model, and no other model is left. See usable_at(). False after a failure that says
  // more itself, as a timeout does. The search is over then.
  [[nodiscard]] bool end_at_rest() noexcept;
  [[nodiscard]] bool has_attempts_left() const noexcept {
    return retries.attempts_made < retries.attempts_max;
  }
  // Whether the next attempt may get another one beside it.
  [[nodiscard]] bool may_hedge() const noexcept {
    return generation_.config.model(model_).hedge && !is_recovery_ && has_attempts_left();
  }
  // How long to wait before the next attempt, by the model's settings and chance.
  [[nodiscard]] Duration backoff() noexcept;

  // From here on attempts go on with a stream of which the client has got `partial`; empty asks the
  // same once more. The text outlives them.
  void begin_recovery(std::string_view partial) noexcept;
  [[nodiscard]] bool is_recovery() const noexcept { return is_recovery_; }
  // Whether the attempts are to go on behind a partial answer, not to give the whole one again.
  [[nodiscard]] bool continues_text() const noexcept { return !partial_.empty(); }
  // The body that asks for the rest, with `edit`; null when the same is asked once more, or when it
  // cannot be told that the answer goes on. Good until the next call.
  [[nodiscard]] const json::ContinuedPlan* plan_continuation(const json::BodyEdit& edit) noexcept;

  void note_failure(const resilience::AttemptEnd& end) noexcept;

  // Says in `waiting` what is lacked, and gives back what would be held in vain meanwhile.
  void describe(InLine& waiting) noexcept;

  [[nodiscard]] ModelId model() const noexcept { return model_; }
  [[nodiscard]] ModelFlow& flow() const noexcept { return *generation_.flows[model_.value]; }
  // When the first of those that rest is usable again; max() when nobody knows.
  [[nodiscard]] MonoTime usable_at() const noexcept { return usable_at_; }
  // When the request's time is over, as long as no route is chosen.
  [[nodiscard]] Deadline total() const noexcept;
  // Whether any model so far has a route that could serve the request.
  [[nodiscard]] bool has_candidates() const noexcept { return has_candidates_; }

  Services& services() const noexcept { return services_; }
  Generation& generation() const noexcept { return generation_; }
  const http::RequestHead& head() const noexcept { return head_; }
  const Admission& admission() const noexcept { return admission_; }
  Settlement& settlement() const noexcept { return settlement_; }
  [[nodiscard]] Endpoint endpoint() const noexcept { return endpoint_; }

  resilience::RetryState retries;

 private:
  [[nodiscard]] Seat lack(Lacks lacks) noexcept;
  // A place of the process or of the model, held until the exchange has settled.
  [[nodiscard]] bool take_place(PlaceBank* bank, limit::Place& held, limit::Place& served) noexcept;
  // Nobody takes a place that somebody in line waits for.
  [[nodiscard]] bool try_take(PlaceBank& bank) noexcept;
  // The candidates that may be used at this moment; sets obstacle_, full_ and usable_at_ by the
  // others.
  [[nodiscard]] route::RouteSet find_usable() noexcept;
  // The candidates that a place of `bank` is good for.
  [[nodiscard]] route::RouteSet find_served(const PlaceBank& bank) noexcept;
  [[nodiscard]] bool may_use(UpstreamId upstream, MonoTime now) noexcept;
  // Takes `place` only into the seat.
  [[nodiscard]] Seat take_from(route::RouteSet usable, limit::Place& place) noexcept;
  // Charges the deployment's own limits; false, and the obstacle says why, when one is in the way.
  [[nodiscard]] bool charge(UpstreamId upstream, limit::Reservation& charged) noexcept;
  [[nodiscard]] route::Choice choice(route::RouteSet usable) noexcept;
  // Whether another model is left to turn to.
  [[nodiscard]] bool has_fallback() const noexcept;
  void begin_round() noexcept;
  void turn_to(ModelId model) noexcept;

  Services& services_;
  Generation& generation_;
  Endpoint endpoint_;
  const http::RequestHead& head_;
  const Admission& admission_;
  Settlement& settlement_;
  ModelId model_;
  uint32_t next_fallback_ = 0;
  route::RouteSet open_;
  Obstacle obstacle_ = Obstacle::kNone;
  Lacks lacks_ = Lacks::kDeploymentPlace;
  limit::Place kept_;     // A deployment's, while the process's is waited for.
  route::RouteSet full_;  // Routes that lack only a place.
  MonoTime usable_at_ = MonoTime::max();
  uint32_t round_began_with_ = 0;  // Attempts made by then.
  uint64_t affinity_key_ = 0;      // Of the present model's settings.
  bool has_candidates_ = false;
  std::string_view partial_;
  std::optional<json::ContinuedPlan> continued_;
  bool is_recovery_ = false;
  bool may_repeat_ = true;  // Asking the same deployment again makes sense.
};

}  // namespace sluice::exchange
