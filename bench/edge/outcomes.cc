#include "outcomes.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::edge {
namespace {

double quantile(std::vector<Duration>& values, double share) {
  if (values.empty()) return 0;
  const size_t at =
      std::min(values.size() - 1, static_cast<size_t>(static_cast<double>(values.size()) * share));
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(at), values.end());
  return seconds_of(values[at]);
}

}  // namespace

void Outcomes::add(const Ending& ending) {
  std::string name(ending.how);
  if (!ending.answer.empty()) name = ending.answer + ", " + name;
  ++counts_[name];
  const bool is_theirs = ending.how == "closed" || ending.how == "reset";
  if (is_theirs && lasted_.size() < kTimesMax) lasted_.push_back(ending.lasted);
}

std::string Outcomes::json(std::string_view name, Duration took) const {
  std::string endings;
  for (const auto& [how, count] : counts_) {
    endings += fmt::format("{}\"{}\":{}", endings.empty() ? "" : ",", how, count);
  }
  std::vector<Duration> lasted = lasted_;
  return fmt::format(
      "{{\"attack\":\"{}\",\"seconds\":{:.3f},\"opened\":{},\"open_most\":{},\"sent\":{},"
      "\"received\":{},\"endings\":{{{}}},\"ended_after_s\":{{\"count\":{},\"p50\":{:.3f},"
      "\"p99\":{:.3f},\"most\":{:.3f}}}}}",
      name, seconds_of(took), opened, open_most, sent, received, endings, lasted.size(),
      quantile(lasted, 0.5), quantile(lasted, 0.99), quantile(lasted, 1.0));
}

std::string Outcomes::line(std::string_view name, Duration took) const {
  std::string endings;
  for (const auto& [how, count] : counts_) endings += fmt::format("; {} {}", count, how);
  return fmt::format("{}: {:.1f} s, {} opened, {} open{}", name, seconds_of(took), opened, open,
                     endings);
}

}  // namespace sluice::edge
