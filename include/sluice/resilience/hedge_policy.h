// When a second attempt is worth while, and how many there may be.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <sluice/base/clock.h>
#include <sluice/config/routing.h>

namespace sluice::resilience {

// Of one model on one shard.
//
// The delay is a quantile of recent times to the first token: those of the running period and the
// one before it. The histogram is logarithmic with 16 steps to each doubling: the delay is above
// the true quantile by 1/16 of it (and 66 us) at most, never below. Hedges are paid for by
// requests: each puts in `budget`, a hedge takes out 1, and no more than kCreditMax is saved up, so
// that over any time hedges <= budget * requests.
//
// Owned by one shard; nothing allocates.
class HedgePolicy {
 public:
  static constexpr uint32_t kSamplesMin = 20;       // Before there is a quantile.
  static constexpr Duration kPeriod = seconds(30);  // It lasts longer until it has kSamplesMin.
  static constexpr uint32_t kCreditMax = 10;

  // Keeps what was learned.
  void set_settings(const config::HedgeSettings& settings) noexcept;

  void note_request() noexcept;
  // For an attempt that lost against its hedge: the time that it had run without a first token.
  // Left out, the slow ones would be missing, and the quantile would sink with each hedge.
  void note_first_token(Duration time, MonoTime now) noexcept;

  // After how long without a first token a second attempt begins; empty when too little is known.
  [[nodiscard]] std::optional<Duration> delay() const noexcept;

  // False when the budget is spent; nothing is taken then.
  [[nodiscard]] bool try_take() noexcept;

 private:
  static constexpr uint32_t kStepBits = 4;    // 16 steps to a doubling.
  static constexpr uint32_t kUnitBits = 16;   // Nanoseconds below 2^16 are not told apart.
  static constexpr uint32_t kDoublings = 24;  // Up to 2^40 ns, 18 minutes.
  static constexpr uint32_t kSteps = (kDoublings - kStepBits + 1) << kStepBits;
  static constexpr uint32_t kSamplesBetween = 16;  // New ones before the quantile is sought again.

  struct Period {
    std::array<uint32_t, kSteps> counts{};
    uint32_t samples = 0;
  };

  [[nodiscard]] static uint32_t step_of(Duration time) noexcept;
  [[nodiscard]] static Duration top_of(uint32_t step) noexcept;
  [[nodiscard]] Duration find_quantile() const noexcept;
  [[nodiscard]] uint32_t samples() const noexcept;
  void turn_to(MonoTime now) noexcept;
  void refresh_quantile() noexcept;

  config::HedgeSettings settings_;
  std::array<Period, 2> periods_{};
  uint32_t running_ = 0;  // Index of the running period.
  MonoTime period_began_ = MonoTime::min();
  uint32_t samples_since_ = 0;
  std::optional<Duration> quantile_;
  uint64_t budget_millionth_ = 0;
  uint64_t credit_millionth_ = 0;
};

}  // namespace sluice::resilience
