// What a scenario says its figures must be.
#pragma once

#include <expected>
#include <limits>
#include <string>
#include <string_view>

namespace sluice::load {

struct Expectation {
  std::string figure;  // "failed", "latency.p99": see report/figures.h.
  std::string text;    // As written.
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

// `text` is "at least X", "at most X", "X to Y" or "X"; X is a number, or a duration such as 5ms,
// which is kept in microseconds as the figures are. The error is a sentence.
[[nodiscard]] std::expected<Expectation, std::string> parse_expectation(std::string_view figure,
                                                                        std::string_view text);

}  // namespace sluice::load
