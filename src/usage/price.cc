#include <sluice/usage/price.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::usage {
namespace {

// `part` is within `all`, and costs the same where it has no price of its own. What a provider
// says of it is not believed beyond that.
double cost_of(std::optional<uint64_t> all, std::optional<uint64_t> part, double price,
               std::optional<double> part_price) noexcept {
  const uint64_t total = all.value_or(0);
  const uint64_t special = std::min(part.value_or(0), total);
  return static_cast<double>(total - special) * price +
         static_cast<double>(special) * part_price.value_or(price);
}

}  // namespace

std::optional<int64_t> cost_micro_dollars(const Usage& usage, const config::Price& price) noexcept {
  if (!usage.input && !usage.output) return std::nullopt;
  // Dollars per million tokens are micro-dollars per token.
  const double cost =
      cost_of(usage.input, usage.cached, price.input_per_million, price.cached_per_million) +
      cost_of(usage.output, usage.reasoning, price.output_per_million, price.reasoning_per_million);
  // 2^63 as a double is one more than the largest int64_t.
  constexpr double kLimit = 9223372036854775808.0;
  if (!(cost < kLimit)) return std::numeric_limits<int64_t>::max();
  return std::llround(cost);
}

}  // namespace sluice::usage
