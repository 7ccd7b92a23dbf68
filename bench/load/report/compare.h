// Two JSON reports side by side.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::load {

// The figures of one report, in its order: "latency.p99_us" and their values.
struct ReportFigures {
  std::string name;
  std::vector<std::pair<std::string, double>> values;
};

// The error is "file:line: cause; remedy".
[[nodiscard]] std::expected<ReportFigures, std::string> read_report(std::string_view json,
                                                                    const std::string& file);

// A table of the figures that both have, with the second's ratio to the first.
[[nodiscard]] std::string render_comparison(const ReportFigures& first,
                                            const ReportFigures& second);

}  // namespace sluice::load
