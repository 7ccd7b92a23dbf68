// The figures of a report by name: what expectations and comparisons speak of.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/report.h"

namespace sluice::load {

// A kind of time that is measured.
struct HistogramRow {
  std::string_view title;
  std::string_view key;
  LatencyHistogram Tally::* histogram;
};
[[nodiscard]] const std::vector<HistogramRow>& histogram_rows();

struct CountRow {
  std::string_view key;
  uint64_t Tally::* count;
};
[[nodiscard]] const std::vector<CountRow>& count_rows();

// "failed", "rate", "latency.p99" ...; times are in microseconds.
[[nodiscard]] bool is_figure(std::string_view name);
// Empty when it is unknown, or nothing of its kind was measured.
[[nodiscard]] std::optional<double> figure_of(const Report& report, std::string_view name);
// All names, for people who wrote another.
[[nodiscard]] std::string list_figures();

[[nodiscard]] double in_us(Duration duration) noexcept;
// Of a count over the measured time.
[[nodiscard]] double per_second(uint64_t count, Duration time) noexcept;
// Values in the window where Nagle's algorithm and delayed acknowledgements put them.
[[nodiscard]] uint64_t forty_ms_steps(const LatencyHistogram& histogram) noexcept;

}  // namespace sluice::load
