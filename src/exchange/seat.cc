#include "seat.h"

namespace sluice::exchange {
namespace {

metrics::AttemptOutcome outcome_of_error(ErrorCode code) noexcept {
  using metrics::AttemptOutcome;
  switch (code) {
    case ErrorCode::kUpstreamConnect:
    case ErrorCode::kLimit: return AttemptOutcome::kConnectError;
    case ErrorCode::kUpstreamTls: return AttemptOutcome::kTlsError;
    case ErrorCode::kConnectTimeout:
    case ErrorCode::kUpstreamTimeout:
    case ErrorCode::kFirstTokenTimeout:
    case ErrorCode::kTotalTimeout:
    case ErrorCode::kUpstreamStalled: return AttemptOutcome::kTimeout;
    case ErrorCode::kUpstreamLost: return AttemptOutcome::kLost;
    case ErrorCode::kUpstreamProtocol: return AttemptOutcome::kProtocolError;
    default: return AttemptOutcome::kCancelled;
  }
}

}  // namespace

metrics::AttemptOutcome outcome_of(const resilience::AttemptEnd& end) noexcept {
  if (end.error) return outcome_of_error(end.error->code);
  if (end.status >= 500) return metrics::AttemptOutcome::kServerError;
  if (end.status >= 400) return metrics::AttemptOutcome::kClientError;
  return metrics::AttemptOutcome::kOk;
}

Seat::Seat(Generation& generation, ModelId model, uint32_t route_index, limit::Place place,
           limit::Place probe_place, limit::Reservation charged, bool is_probe) noexcept
    : route_(&generation.config.model(model).routes[route_index]),
      route_index_(route_index),
      model_(model),
      is_probe_(is_probe),
      place_(std::move(place)),
      probe_place_(std::move(probe_place)),
      charged_(std::move(charged)) {
  deployment_ = generation.deployments[route_->upstream.value];
}

void Seat::open(MonoTime now) noexcept {
  is_open_ = true;
  opened_at_ = now;
  deployment_->stats.begin();
  deployment_->cells.in_flight.add();
  if (is_probe_) deployment_->cells.probes.add();
}

void Seat::settle_limits(const limit::Use& use, MonoTime now) noexcept {
  charged_.settle(use, now);
}

void Seat::end(metrics::AttemptOutcome outcome, const resilience::Judgement& judgement,
               MonoTime now) noexcept {
  if (!is_open_) return;
  is_open_ = false;
  deployment_->stats.end();
  deployment_->cells.in_flight.sub();
  deployment_->cells.attempts[outcome].add();
  deployment_->record(judgement, is_probe_, now, opened_at_);
  // What was cancelled without a word has no time either; the request was sent all the same.
  charged_.settle({}, std::max(now, opened_at_));
  probe_place_.release();
  place_.release();
}

// The time does not matter to a judgement that says nothing.
void Seat::cancel() noexcept {
  end(metrics::AttemptOutcome::kCancelled, {}, MonoTime::min());
  probe_place_.release();
  place_.release();
  deployment_ = nullptr;
}

}  // namespace sluice::exchange
