#include "report/figures.h"

#include <algorithm>
#include <array>

namespace sluice::load {
namespace {

using T = Tally;

struct Rate {
  std::string_view key;
  uint64_t Tally::* count;
};
constexpr std::array<Rate, 4> kRates = {{{"rate", &T::completed},
                                         {"started_rate", &T::started},
                                         {"event_rate", &T::events},
                                         {"token_rate", &T::tokens}}};

struct Statistic {
  std::string_view key;
  double (*of)(const LatencyHistogram&);
};
constexpr std::array<Statistic, 7> kStatistics = {{
    {"count", [](const LatencyHistogram& h) { return static_cast<double>(h.count()); }},
    {"mean", [](const LatencyHistogram& h) { return in_us(h.mean()); }},
    {"p50", [](const LatencyHistogram& h) { return in_us(h.quantile(0.5)); }},
    {"p90", [](const LatencyHistogram& h) { return in_us(h.quantile(0.9)); }},
    {"p99", [](const LatencyHistogram& h) { return in_us(h.quantile(0.99)); }},
    {"p999", [](const LatencyHistogram& h) { return in_us(h.quantile(0.999)); }},
    {"max", [](const LatencyHistogram& h) { return in_us(h.max()); }},
}};

// The two halves of "latency.p99".
struct Parts {
  const HistogramRow* row = nullptr;
  const Statistic* statistic = nullptr;
};

Parts split(std::string_view name) {
  const size_t dot = std::min(name.find('.'), name.size());
  const auto& rows = histogram_rows();
  const auto row = std::ranges::find(rows, name.substr(0, dot), &HistogramRow::key);
  if (row == rows.end() || dot == name.size()) return {};
  const auto statistic = std::ranges::find(kStatistics, name.substr(dot + 1), &Statistic::key);
  if (statistic == kStatistics.end()) return {};
  return {&*row, &*statistic};
}

}  // namespace

const std::vector<HistogramRow>& histogram_rows() {
  static const std::vector<HistogramRow> rows = {
      {"whole answer", "latency", &T::latency},
      {"first event", "first_event", &T::first_event},
      {"gap between events", "gap", &T::gap},
      {"delay of an event", "delay", &T::delay},
      {"delay of the first", "first_delay", &T::first_delay},
      {"leaving noticed", "detection", &T::detection},
      {"own send lag", "send_lag", &T::send_lag}};
  return rows;
}

const std::vector<CountRow>& count_rows() {
  static const std::vector<CountRow> rows = {{"started", &T::started},
                                             {"completed", &T::completed},
                                             {"failed", &T::failed},
                                             {"interrupted", &T::interrupted},
                                             {"left", &T::left},
                                             {"not_sent", &T::not_sent},
                                             {"queued_most", &T::queued_most},
                                             {"events", &T::events},
                                             {"tokens", &T::tokens},
                                             {"error_events", &T::error_events},
                                             {"malformed_events", &T::malformed_events},
                                             {"stalls", &T::stalls},
                                             {"without_done", &T::without_done},
                                             {"identical", &T::identical},
                                             {"differing", &T::differing},
                                             {"bytes", &T::bytes},
                                             {"connects", &T::connects},
                                             {"overtaken", &T::overtaken}};
  return rows;
}

bool is_figure(std::string_view name) {
  const auto& counts = count_rows();
  return std::ranges::find(counts, name, &CountRow::key) != counts.end() ||
         std::ranges::find(kRates, name, &Rate::key) != kRates.end() || split(name).row != nullptr;
}

std::optional<double> figure_of(const Report& report, std::string_view name) {
  const auto& counts = count_rows();
  if (const auto row = std::ranges::find(counts, name, &CountRow::key); row != counts.end()) {
    return static_cast<double>(report.tally->*row->count);
  }
  if (const auto rate = std::ranges::find(kRates, name, &Rate::key); rate != kRates.end()) {
    return per_second(report.tally->*rate->count, report.measured);
  }
  const Parts parts = split(name);
  if (parts.row == nullptr) return std::nullopt;
  const LatencyHistogram& histogram = report.tally->*parts.row->histogram;
  if (histogram.count() == 0 && parts.statistic->key != "count") return std::nullopt;
  return parts.statistic->of(histogram);
}

std::string list_figures() {
  std::string names;
  const auto add = [&names](std::string_view name) {
    names += names.empty() ? "" : ", ";
    names += name;
  };
  for (const CountRow& row : count_rows()) add(row.key);
  for (const Rate& rate : kRates) add(rate.key);
  for (const HistogramRow& row : histogram_rows()) add(row.key);
  names += " (these with";
  for (const Statistic& statistic : kStatistics) names += " ." + std::string(statistic.key);
  return names + ")";
}

double in_us(Duration duration) noexcept { return static_cast<double>(duration.count()) / 1000; }

double per_second(uint64_t count, Duration time) noexcept {
  const double in_seconds = std::chrono::duration<double>(time).count();
  return in_seconds > 0 ? static_cast<double>(count) / in_seconds : 0;
}

uint64_t forty_ms_steps(const LatencyHistogram& histogram) noexcept {
  return histogram.count_between(milliseconds(38), milliseconds(46));
}

}  // namespace sluice::load
