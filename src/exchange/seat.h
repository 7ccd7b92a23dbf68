// A deployment chosen for one attempt, and all that is held there until the attempt has ended.
#pragma once

#include <utility>

#include <sluice/exchange/generation.h>
#include <sluice/limit/place.h>
#include <sluice/limit/rate_limiter.h>
#include <sluice/resilience/judge.h>

namespace sluice::exchange {

// Counted as in flight from open() until end(), whichever way that comes: dropped without a word it
// was cancelled, and says nothing about its deployment. Move-only; one shard.
class Seat {
 public:
  Seat() noexcept = default;
  // Nothing is counted yet. The generation outlives it.
  Seat(Generation& generation, ModelId model, uint32_t route_index, limit::Place place,
       limit::Place probe_place, limit::Reservation charged, bool is_probe) noexcept;
  // What was moved from is not taken. The usual case, a seat without places, is a few words.
  Seat(Seat&& other) noexcept
      : deployment_(std::exchange(other.deployment_, nullptr)),
        route_(other.route_),
        route_index_(other.route_index_),
        model_(other.model_),
        is_probe_(other.is_probe_),
        is_open_(other.is_open_),
        opened_at_(other.opened_at_),
        place_(std::move(other.place_)),
        probe_place_(std::move(other.probe_place_)),
        charged_(std::move(other.charged_)) {}
  Seat& operator=(Seat&& other) noexcept {
    if (this == &other) return *this;
    if (is_taken()) cancel();
    new (this) Seat(std::move(other));
    return *this;
  }
  ~Seat() {
    if (is_taken()) cancel();
  }

  [[nodiscard]] bool is_taken() const noexcept { return deployment_ != nullptr; }
  // Between open() and end().
  [[nodiscard]] bool is_open() const noexcept { return is_open_; }
  [[nodiscard]] const config::Route& route() const noexcept { return *route_; }
  [[nodiscard]] uint32_t route_index() const noexcept { return route_index_; }
  [[nodiscard]] ModelId model() const noexcept { return model_; }
  [[nodiscard]] UpstreamId upstream() const noexcept { return route_->upstream; }
  [[nodiscard]] Deployment& deployment() const noexcept { return *deployment_; }

  void open(MonoTime now) noexcept;
  [[nodiscard]] MonoTime opened_at() const noexcept { return opened_at_; }
  // Corrects what the deployment's limits were charged; without it they keep the request and
  // nothing else. Before end().
  void settle_limits(const limit::Use& use, MonoTime now) noexcept;
  // The attempt has ended; gives everything back. Once, after open().
  void end(metrics::AttemptOutcome outcome, const resilience::Judgement& judgement,
           MonoTime now) noexcept;

 private:
  void cancel() noexcept;

  Deployment* deployment_ = nullptr;
  const config::Route* route_ = nullptr;
  uint32_t route_index_ = 0;
  ModelId model_;
  bool is_probe_ = false;
  bool is_open_ = false;
  MonoTime opened_at_;
  limit::Place place_;
  limit::Place probe_place_;
  limit::Reservation charged_;
};

// What an attempt's end counts as.
[[nodiscard]] metrics::AttemptOutcome outcome_of(const resilience::AttemptEnd& end) noexcept;

}  // namespace sluice::exchange
