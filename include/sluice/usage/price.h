// What a usage costs.
#pragma once

#include <cstdint>
#include <optional>

#include <sluice/config/snapshot.h>
#include <sluice/usage/record.h>

namespace sluice::usage {

// Micro-dollars, rounded to the nearest and held at the largest int64_t. Counts the tokens that
// are known; empty when none are, because an unknown cost is not a cost of zero.
[[nodiscard]] std::optional<int64_t> cost_micro_dollars(const Usage& usage,
                                                        const config::Price& price) noexcept;

}  // namespace sluice::usage
