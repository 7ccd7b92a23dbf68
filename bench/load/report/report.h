// What a run came to, as every kind of report needs it.
#pragma once

#include <string>
#include <vector>

#include "plan/settings.h"
#include "report/tally.h"

namespace sluice::load {

// Whether one expectation was met.
struct Verdict {
  Expectation expectation;
  double value = 0;
  bool was_measured = false;
  bool is_met = false;
};

struct Report {
  const Settings* settings = nullptr;
  const Tally* tally = nullptr;
  std::vector<std::string> parts;  // Names of Tally::parts.
  std::string machine;             // Kernel and cores.
  std::string begun;               // Date and time, for people.
  Duration measured{0};
  bool was_stopped = false;
  std::vector<Verdict> verdicts;

  [[nodiscard]] std::string title() const;
  [[nodiscard]] bool is_open_loop() const noexcept;
};

// Compares the figures with what the scenario expects, and with what everyone does: something
// completed, nothing failed, everything was sent.
void judge(Report& report);
// Whether all that was expected happened.
[[nodiscard]] bool is_good(const Report& report) noexcept;

}  // namespace sluice::load
