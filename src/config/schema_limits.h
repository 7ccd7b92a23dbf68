// A set of limits as the file writes it: amounts, each of which becomes one rule, and options.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/config/snapshot.h>

#include "fields.h"
#include "walk.h"

namespace sluice::config {

inline constexpr size_t kLimitRulesMax = 1'000'000;
inline constexpr uint64_t kConcurrencyMax = 1'000'000;
inline constexpr double kDollarsMax = 1e6;
inline constexpr double kMicroPerDollar = 1e6;
static_assert(kDollarsMax * kMicroPerDollar <= static_cast<double>(LimitRule::kMostMax));

struct Amount {
  std::string_view word;
  LimitMeasure measure;
  LimitWindow window = LimitWindow::kRolling;
  Duration length{};
  bool is_soft = false;
};

inline constexpr std::array kAmounts = {
    Amount{"requests_per_second", LimitMeasure::kRequests, LimitWindow::kRolling, seconds(1)},
    Amount{"requests_per_minute", LimitMeasure::kRequests, LimitWindow::kRolling, seconds(60)},
    Amount{"requests_per_day", LimitMeasure::kRequests, LimitWindow::kRolling, seconds(86'400)},
    Amount{"tokens_per_minute", LimitMeasure::kTokens, LimitWindow::kRolling, seconds(60)},
    Amount{"tokens_per_day", LimitMeasure::kTokens, LimitWindow::kRolling, seconds(86'400)},
    Amount{"input_tokens_per_minute", LimitMeasure::kInputTokens, LimitWindow::kRolling,
           seconds(60)},
    Amount{"input_tokens_per_day", LimitMeasure::kInputTokens, LimitWindow::kRolling,
           seconds(86'400)},
    Amount{"output_tokens_per_minute", LimitMeasure::kOutputTokens, LimitWindow::kRolling,
           seconds(60)},
    Amount{"output_tokens_per_day", LimitMeasure::kOutputTokens, LimitWindow::kRolling,
           seconds(86'400)},
    Amount{"concurrency", LimitMeasure::kConcurrency, LimitWindow::kNone},
    Amount{"budget_per_day", LimitMeasure::kMicroDollars, LimitWindow::kDay},
    Amount{"budget_per_week", LimitMeasure::kMicroDollars, LimitWindow::kWeek},
    Amount{"budget_per_month", LimitMeasure::kMicroDollars, LimitWindow::kMonth},
    Amount{"budget_total", LimitMeasure::kMicroDollars, LimitWindow::kTotal},
    Amount{"soft_budget_per_day", LimitMeasure::kMicroDollars, LimitWindow::kDay, {}, true},
    Amount{"soft_budget_per_week", LimitMeasure::kMicroDollars, LimitWindow::kWeek, {}, true},
    Amount{"soft_budget_per_month", LimitMeasure::kMicroDollars, LimitWindow::kMonth, {}, true},
    Amount{"soft_budget_total", LimitMeasure::kMicroDollars, LimitWindow::kTotal, {}, true}};

struct LimitSet {
  std::array<uint64_t, kAmounts.size()> most{};  // By the index of the amount; 0 is none.
  uint32_t burst = 0;
  bool enforce = true;
  bool stops_streams = false;
  Reserve reserve = Reserve::kMax;
  std::optional<OnLoss> on_loss;
};

void read_limit_amount(Walk& walk, const Node& node, size_t amount, LimitSet& set);
void read_limit_reserve(Walk& walk, const Node& node, LimitSet& set);
void read_limit_on_loss(Walk& walk, const Node& node, LimitSet& set);

template <size_t I>
inline constexpr auto read_amount_at =
    [](Walk& walk, const Node& node, auto& set) { read_limit_amount(walk, node, I, set); };

// The fields of a set, behind `first` of what derives from it.
template <class T, size_t N>
[[nodiscard]] constexpr auto with_limit_fields(const std::array<Field<T>, N>& first) {
  constexpr size_t kOptions = 5;
  return [&]<size_t... I, size_t... F>(std::index_sequence<I...>, std::index_sequence<F...>) {
    return std::array<Field<T>, N + kAmounts.size() + kOptions>{
        first[F]...,
        Field<T>{kAmounts[I].word, read_amount_at<I>}...,
        Field<T>{"burst", read_number<&LimitSet::burst, 1, 1'000'000>},
        Field<T>{"enforce", read_boolean<&LimitSet::enforce>},
        Field<T>{"reserve", of_base<read_limit_reserve>},
        Field<T>{"on_loss", of_base<read_limit_on_loss>},
        Field<T>{"stop_streams", read_boolean<&LimitSet::stops_streams>}};
  }(std::make_index_sequence<kAmounts.size()>(), std::make_index_sequence<N>());
}

// What no field of the set at `node` can judge alone.
void check_limit_set(Walk& walk, const Node& node, const LimitSet& set);

// A section `limits` of a key, tenant, model or upstream. Its keys are listed once, as those of
// `rate_limits`.
void read_limits(Walk& walk, const Node& node, LimitSet& set);

template <auto Member>
inline constexpr auto read_own_limits =
    [](Walk& walk, const Node& node, auto& draft) { read_limits(walk, node, draft.*Member); };

// The rule that the amount of that index makes, named "<owner>/<amount>".
[[nodiscard]] LimitRule rule_of(const LimitSet& set, size_t index, LimitScope scope,
                                std::string_view owner);

// Makes the rules of a set, named "<owner>/<amount>", and returns their ids.
[[nodiscard]] std::vector<LimitId> add_rules(Walk& walk, const Node& at, const LimitSet& set,
                                             LimitScope scope, std::string_view owner,
                                             Snapshot& snapshot);

}  // namespace sluice::config
