#include <sluice/route/deployment_stats.h>

#include <algorithm>
#include <cmath>

namespace sluice::route {

void DecayingMean::note(Duration sample, MonoTime now) noexcept {
  const auto sample_ns = std::max(static_cast<double>(sample.count()), 1.0);
  if (sample_ns >= mean_ns_) {
    mean_ns_ = sample_ns;
  } else {
    const Duration age = std::max(now - at_, Duration{0});
    const double kept =
        std::exp(-static_cast<double>(age.count()) / static_cast<double>(kMemory.count()));
    mean_ns_ = sample_ns + (mean_ns_ - sample_ns) * kept;
  }
  at_ = now;
}

void MinuteSum::note(uint64_t amount, MonoTime now) noexcept {
  const int64_t step = now.time_since_epoch() / kStep;
  if (step > newest_) {
    const int64_t passed = std::min(step - newest_, kSteps);
    for (int64_t i = 0; i < passed; ++i) {
      uint64_t& oldest = sums_[static_cast<size_t>((step - i) % kSteps)];
      total_ -= oldest;
      oldest = 0;
    }
    newest_ = step;
  }
  sums_[static_cast<size_t>(newest_ % kSteps)] += amount;
  total_ += amount;
}

uint64_t MinuteSum::value(MonoTime now) const noexcept {
  const int64_t step = now.time_since_epoch() / kStep;
  if (step >= newest_ + kSteps) return 0;
  uint64_t sum = total_;
  for (int64_t i = newest_ + 1; i <= step; ++i) sum -= sums_[static_cast<size_t>(i % kSteps)];
  return sum;
}

void DeploymentStats::note_tokens(uint64_t tokens, MonoTime now) noexcept {
  tokens_.note(tokens, now);
  requests_.note(1, now);
  tokens_per_request_ = tokens_.value(now) / requests_.value(now);
}

Duration DeploymentStats::latency(bool is_stream, MonoTime now) const noexcept {
  const DecayingMean& own = is_stream ? first_token : whole;
  const Duration others = is_stream ? others_.first_token : others_.whole;
  const MonoTime heard_at = is_stream ? first_token_heard_at_ : whole_heard_at_;
  const bool others_known = others > Duration{0};
  const bool others_recent = others_known && now - heard_at <= DecayingMean::kMemory;
  const bool own_recent = own.is_recent(now);
  if (!own_recent && !others_recent && in_flight_ == 0) return {};
  if (own_recent == others_recent) {
    if (own.is_known() && others_known) return (own.value() + others) / 2;
    return own.is_known() ? own.value() : others;
  }
  return own_recent ? own.value() : others;
}

void DeploymentStats::hear(const OthersStats& others, MonoTime now) noexcept {
  if (others.first_token != others_.first_token) first_token_heard_at_ = now;
  if (others.whole != others_.whole) whole_heard_at_ = now;
  others_ = others;
  in_flight_when_heard_ = in_flight_;
}

}  // namespace sluice::route
