#include <sluice/resilience/hedge_policy.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace sluice::resilience {
namespace {

constexpr uint64_t kCreditUnit = 1'000'000;

}  // namespace

void HedgePolicy::set_settings(const config::HedgeSettings& settings) noexcept {
  settings_ = settings;
  budget_millionth_ = static_cast<uint64_t>(std::llround(settings.budget * kCreditUnit));
  if (samples() >= kSamplesMin) refresh_quantile();
}

void HedgePolicy::note_request() noexcept {
  credit_millionth_ = std::min(credit_millionth_ + budget_millionth_, kCreditMax * kCreditUnit);
}

void HedgePolicy::note_first_token(Duration time, MonoTime now) noexcept {
  turn_to(now);
  Period& running = periods_[running_];
  ++running.counts[step_of(time)];
  ++running.samples;
  ++samples_since_;
  if (samples() < kSamplesMin) return;
  if (!quantile_ || samples_since_ >= kSamplesBetween) refresh_quantile();
}

std::optional<Duration> HedgePolicy::delay() const noexcept {
  if (!quantile_) return std::nullopt;
  return std::max(*quantile_, settings_.after_min);
}

bool HedgePolicy::try_take() noexcept {
  if (credit_millionth_ < kCreditUnit) return false;
  credit_millionth_ -= kCreditUnit;
  return true;
}

uint32_t HedgePolicy::step_of(Duration time) noexcept {
  const uint64_t most = (uint64_t{1} << kDoublings) - 1;
  const uint64_t ns = static_cast<uint64_t>(std::max<int64_t>(time.count(), 0));
  const uint64_t units = std::min(ns >> kUnitBits, most);
  if (units >> kStepBits == 0) return static_cast<uint32_t>(units);
  const auto shift = static_cast<uint32_t>(std::bit_width(units)) - 1 - kStepBits;
  const auto within = static_cast<uint32_t>(units >> shift) & ((1u << kStepBits) - 1);
  return ((shift + 1) << kStepBits) + within;
}

// Where the next step begins.
Duration HedgePolicy::top_of(uint32_t step) noexcept {
  const uint32_t next = step + 1;
  const uint32_t octave = next >> kStepBits;
  const uint64_t within = next & ((1u << kStepBits) - 1);
  const uint64_t units =
      octave == 0 ? within : ((uint64_t{1} << kStepBits) + within) << (octave - 1);
  return Duration(static_cast<int64_t>(units << kUnitBits));
}

Duration HedgePolicy::find_quantile() const noexcept {
  const auto rank = static_cast<uint64_t>(std::ceil(settings_.quantile * samples()));
  uint64_t seen = 0;
  for (uint32_t step = 0; step < kSteps; ++step) {
    seen += periods_[0].counts[step] + periods_[1].counts[step];
    if (seen >= rank && seen > 0) return top_of(step);
  }
  return top_of(kSteps - 1);
}

uint32_t HedgePolicy::samples() const noexcept { return periods_[0].samples + periods_[1].samples; }

void HedgePolicy::turn_to(MonoTime now) noexcept {
  if (periods_[running_].samples == 0) period_began_ = now;
  if (now - period_began_ < kPeriod || periods_[running_].samples < kSamplesMin) return;
  running_ ^= 1;
  periods_[running_] = {};
  period_began_ = now;
}

void HedgePolicy::refresh_quantile() noexcept {
  quantile_ = find_quantile();
  samples_since_ = 0;
}

}  // namespace sluice::resilience
