// What a request will cost before it is known: tokens of a prompt, and of its answer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include <sluice/config/limiting.h>

namespace sluice::usage {

// Tokens of a request's body, by its bytes and their scripts; 0 only for an empty body.
//
// Up to kWholeBytes every byte is looked at, of a longer body its first kFrontBytes and kBlocks
// blocks at equal distances, so that the work is bounded. For a body that is alike all through the
// sample is within 5 % of the whole; what is unlike the rest and shorter than the distance of two
// blocks may be missed. Pure; nothing allocates; any bytes are fine.
inline constexpr size_t kWholeBytes = 16 * 1024;
inline constexpr size_t kFrontBytes = 4 * 1024;
inline constexpr size_t kBlockBytes = 256;
inline constexpr size_t kBlocks = (kWholeBytes - kFrontBytes) / kBlockBytes;
[[nodiscard]] uint64_t estimate_prompt(std::string_view body) noexcept;

// |applied - reported| / reported; 0 when nothing was reported.
[[nodiscard]] double estimate_error(uint64_t applied, uint64_t reported) noexcept;

// How much one model's reported prompts are above their estimates; of one model on one shard.
//
// A moving average of reported / estimated. One answer counts as no more than twice and no less
// than half of what was learned, so that a single wrong usage does not move it far.
class PromptCalibration {
 public:
  static constexpr double kFactorMin = 0.25;
  static constexpr double kFactorMax = 4;
  static constexpr uint32_t kMemory = 32;  // Answers that the average goes over.

  // `estimated` is what estimate_prompt() said, not what apply() made of it. A count of 0 is no
  // observation.
  void observe(uint64_t estimated, uint64_t reported) noexcept;
  [[nodiscard]] uint64_t apply(uint64_t estimated) const noexcept;
  [[nodiscard]] double factor() const noexcept { return factor_; }

 private:
  double factor_ = 1;
  uint32_t answers_ = 0;  // Up to kMemory.
};
static_assert(sizeof(PromptCalibration) <= 32);

// What 95 of 100 recent answers of one model stayed below; of one model on one shard.
//
// "Recent" are the answers of the running period and of the one before it, kPeriodAnswers each.
// Steps are logarithmic: the quantile is above the true one by 1/8 (and one token) at most, never
// below, up to kTokensMost; longer answers count as that long.
class OutputQuantile {
 public:
  static constexpr uint32_t kAnswersMin = 20;  // Before there is a quantile.
  static constexpr uint32_t kPeriodAnswers = 256;
  static constexpr uint64_t kTokensMost = (uint64_t{1} << 20) - 1;

  void observe(uint64_t tokens) noexcept;
  [[nodiscard]] std::optional<uint64_t> p95() const noexcept;

 private:
  static constexpr uint32_t kStepBits = 3;
  static constexpr uint32_t kSteps = (20 - kStepBits + 1) << kStepBits;
  static constexpr uint32_t kAnswersBetween = 8;  // New ones before it is sought again.

  [[nodiscard]] static uint32_t step_of(uint64_t tokens) noexcept;
  [[nodiscard]] static uint64_t last_of(uint32_t step) noexcept;
  [[nodiscard]] uint64_t find_quantile() const noexcept;

  std::array<std::array<uint16_t, kSteps>, 2> counts_{};
  std::array<uint16_t, 2> answers_{};
  uint32_t running_ = 0;  // Index of the running period.
  uint32_t since_ = 0;    // Answers since the quantile was sought.
  std::optional<uint64_t> quantile_;
};

// Output tokens to set aside at admission. `client_max` is what the client allows for all choices
// together; `model_max` stands in when it says nothing and never lowers what it says.
[[nodiscard]] uint64_t reserve_output(config::Reserve mode, std::optional<uint64_t> client_max,
                                      uint32_t model_max, const OutputQuantile& recent) noexcept;

}  // namespace sluice::usage
