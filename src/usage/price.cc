#include <sluice/usage/price.h>

#include <cmath>
#include <limits>

namespace sluice::usage {

std::optional<int64_t> cost_micro_dollars(const Usage& usage, const config::Price& price) noexcept {
  if (!usage.input && !usage.output) return std::nullopt;
  // Dollars per million tokens are micro-dollars per token.
  const double cost = static_cast<double>(usage.input.value_or(0)) * price.input_per_million +
                      static_cast<double>(usage.output.value_or(0)) * price.output_per_million;
  // 2^63 as a double is one more than the largest int64_t.
  constexpr double kLimit = 9223372036854775808.0;
  if (!(cost < kLimit)) return std::numeric_limits<int64_t>::max();
  return std::llround(cost);
}

}  // namespace sluice::usage
