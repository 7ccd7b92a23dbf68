#include "report/report.h"

#include <algorithm>

#include "report/figures.h"

namespace sluice::load {

std::string Report::title() const {
  return settings->name.empty() ? "sluice-load on " + settings->target.url.authority
                                : settings->name;
}

bool Report::is_open_loop() const noexcept {
  return settings->schedule || !settings->trace_file.empty();
}

void judge(Report& report) {
  std::vector<Expectation> expectations = report.settings->expectations;
  const auto expect = [&expectations](std::string_view figure, std::string_view range) {
    const auto given = std::ranges::find(expectations, figure, &Expectation::figure);
    if (given == expectations.end())
      expectations.push_back(parse_expectation(figure, range).value());
  };
  // Those who leave are done, too.
  if (report.settings->leave_at_event == 0) expect("completed", "at least 1");
  expect("failed", "0");
  expect("not_sent", "0");
  for (Expectation& expectation : expectations) {
    Verdict verdict{.expectation = std::move(expectation)};
    const std::optional<double> value = figure_of(report, verdict.expectation.figure);
    verdict.was_measured = value.has_value();
    verdict.value = value.value_or(0);
    verdict.is_met =
        value && *value >= verdict.expectation.min && *value <= verdict.expectation.max;
    report.verdicts.push_back(std::move(verdict));
  }
}

bool is_good(const Report& report) noexcept {
  return std::ranges::all_of(report.verdicts, &Verdict::is_met);
}

}  // namespace sluice::load
