#include "report/html_page.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "report/chart.h"
#include "report/figures.h"
#include "report/table.h"

namespace sluice::load {
namespace {

constexpr std::string_view kBlue = "#1f6fc4", kOrange = "#c8500a", kGreen = "#15805a",
                           kPurple = "#7a45b8", kBrown = "#8a6410", kGrey = "#6b7480",
                           kTeal = "#12808a", kRed = "#c9252d";
constexpr std::string_view kColors[] = {kBlue, kOrange, kGreen, kPurple, kBrown, kTeal, kGrey};

constexpr std::string_view kStyle = R"(
body{font:15px/1.5 system-ui,sans-serif;color:#1c232b;background:#fff;margin:0}
main{max-width:960px;margin:0 auto;padding:24px 16px 48px}
h1{font-size:25px;margin:0}h2{font-size:17px;margin:34px 0 6px}
p{margin:4px 0}.dim{color:#56606b}
.cards{display:flex;flex-wrap:wrap;gap:10px;margin:18px 0}
.card{border:1px solid #d5dae0;border-radius:6px;padding:8px 14px;min-width:104px}
.card b{display:block;font-size:20px;font-variant-numeric:tabular-nums}
.card.bad b{color:#c9252d}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:4px 8px;border-bottom:1px solid #e3e7eb}
th:first-child,td:first-child{text-align:left}th{font-weight:600}
td.met{color:#15805a}td.missed{color:#c9252d;font-weight:600}
svg{width:100%;height:auto;display:block}
svg text{font:12px system-ui,sans-serif;fill:#56606b}svg .legend{fill:#1c232b}
svg .axis{fill:#1c232b}svg .grid{stroke:#e3e7eb}
)";

double smallest_us(const LatencyHistogram& histogram) { return in_us(histogram.quantile(0)); }

void add_card(std::string& out, std::string_view title, const std::string& value,
              bool is_bad = false) {
  out += fmt::format(R"(<div class="card{}">{}<b>{}</b></div>)", is_bad ? " bad" : "",
                     escape_html(title), escape_html(value));
}

void add_head(const Report& report, std::string& out) {
  const Tally& tally = *report.tally;
  out += fmt::format("<h1>{}</h1>\n<p class=\"dim\">{}{} loop on {}, {} connections, {}; {}</p>\n",
                     escape_html(report.title()), report.was_stopped ? "Stopped early. " : "",
                     report.is_open_loop() ? "Open" : "Closed",
                     escape_html(report.settings->target.url.authority),
                     format_count(report.settings->connections), escape_html(report.begun),
                     escape_html(report.machine));
  out += "<div class=\"cards\">";
  add_card(out, "requests/s",
           format_count(
               static_cast<uint64_t>(std::lround(per_second(tally.completed, report.measured)))));
  add_card(out, "completed", format_count(tally.completed), tally.completed == 0);
  add_card(out, "failed", format_count(tally.failed), tally.failed > 0);
  if (report.is_open_loop()) {
    add_card(out, "not sent", format_count(tally.not_sent), tally.not_sent > 0);
  }
  if (tally.latency.count() > 0) {
    add_card(out, "answer p50", format_us(in_us(tally.latency.quantile(0.5))));
    add_card(out, "answer p99", format_us(in_us(tally.latency.quantile(0.99))));
  }
  if (tally.events > 0) {
    add_card(out, "events/s",
             format_count(
                 static_cast<uint64_t>(std::lround(per_second(tally.events, report.measured)))));
    add_card(out, "tokens/s",
             format_count(
                 static_cast<uint64_t>(std::lround(per_second(tally.tokens, report.measured)))));
  }
  out += "</div>\n";
}

// Times in a unit that people read.
std::string format_figure(const Verdict& verdict) {
  const std::string& name = verdict.expectation.figure;
  const bool is_time = name.find('.') != std::string::npos && !name.ends_with(".count");
  if (is_time) return format_us(verdict.value);
  constexpr double kWhole = 100;  // From here on nobody reads what is behind the point.
  if (verdict.value < kWhole) return fmt::format("{:.4g}", verdict.value);
  return format_count(static_cast<uint64_t>(std::llround(verdict.value)));
}

void add_verdicts(const Report& report, std::string& out) {
  out += "<h2>Expected</h2><table><tr><th>figure<th>expected<th>measured<th></tr>\n";
  for (const Verdict& verdict : report.verdicts) {
    out +=
        fmt::format("<tr><td>{}<td>{}<td>{}<td class=\"{}\">{}</tr>\n",
                    escape_html(verdict.expectation.figure), escape_html(verdict.expectation.text),
                    verdict.was_measured ? format_figure(verdict) : "nothing",
                    verdict.is_met ? "met" : "missed", verdict.is_met ? "met" : "missed");
  }
  out += "</table>\n";
}

void add_times(const Report& report, std::string& out) {
  out += "<h2>Times</h2><table><tr><th><th>count<th>mean<th>p50<th>p90<th>p99<th>p99.9<th>max</tr>";
  for (const HistogramRow& row : histogram_rows()) {
    const LatencyHistogram& h = report.tally->*row.histogram;
    if (h.count() == 0) continue;
    out += fmt::format("<tr><td>{}<td>{}<td>{}", row.title, format_count(h.count()),
                       format_us(in_us(h.mean())));
    for (const double share : {0.5, 0.9, 0.99, 0.999}) {
      out += "<td>" + format_us(in_us(h.quantile(share)));
    }
    out += "<td>" + format_us(in_us(h.max())) + "</tr>\n";
  }
  out += "</table>\n";
}

void add_failures(const Report& report, std::string& out) {
  const Tally& tally = *report.tally;
  if (!tally.failures.empty()) {
    out += "<h2>Failures</h2><table><tr><th>reason<th>count</tr>\n";
    for (const auto& [reason, count] : tally.failures) {
      out += fmt::format("<tr><td>{}<td>{}</tr>\n", escape_html(reason), format_count(count));
    }
    out += "</table>\n";
  }
  if (tally.parts.empty()) return;
  out +=
      "<h2>By tenant and model</h2><table><tr><th><th>started<th>completed<th>failed<th>p50"
      "<th>p99</tr>\n";
  for (size_t i = 0; i < tally.parts.size(); ++i) {
    const PartTally& part = tally.parts[i];
    out +=
        fmt::format("<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>\n", escape_html(report.parts[i]),
                    format_count(part.started), format_count(part.completed),
                    format_count(part.failed), format_us(in_us(part.latency.quantile(0.5))),
                    format_us(in_us(part.latency.quantile(0.99))));
  }
  out += "</table>\n";
}

void add_distribution(const Report& report, std::string& out) {
  Chart chart{.title = "Distribution of each kind of time", .height = 340};
  uint64_t most = 0;
  double min_us = 1e18, max_us = 0;
  size_t color = 0;
  for (const HistogramRow& row : histogram_rows()) {
    const LatencyHistogram& h = report.tally->*row.histogram;
    const std::string_view paint = kColors[color++ % std::size(kColors)];
    if (h.count() == 0) continue;
    most = std::max(most, h.count());
    min_us = std::min(min_us, std::max(1.0, smallest_us(h)));
    max_us = std::max(max_us, in_us(h.max()));
    ChartSeries series{.title = std::string(row.title), .color = paint};
    uint64_t seen = 0;
    h.for_each([&](Duration value, uint64_t count) {
      const double us = in_us(std::min(value, h.max()));
      const auto total = static_cast<double>(h.count());
      series.points.push_back({percentile_place(static_cast<double>(seen) / total), us});
      seen += count;
      const bool is_last = seen == h.count();
      const double share = is_last ? 1 - 1 / total : static_cast<double>(seen) / total;
      series.points.push_back({percentile_place(share), is_last ? in_us(h.max()) : us});
    });
    // The very first value stands for the share of nothing; the scale is cut at the largest count.
    chart.series.push_back(std::move(series));
  }
  if (chart.series.empty()) return;
  chart.x = percentile_axis(most);
  chart.y = time_axis("time", min_us, max_us);
  out +=
      "<h2>Distribution</h2><p class=\"dim\">How long the given share of all values took at "
      "most. Each mark to the right has a tenth of the values above it.</p>\n" +
      chart.to_svg();
}

ChartSeries series_of(const Timeline& timeline, std::string title, std::string_view color,
                      double (*value)(const TimelineSecond&)) {
  ChartSeries series{.title = std::move(title), .color = color};
  for (size_t i = 0; i < timeline.seconds().size(); ++i) {
    series.points.push_back({static_cast<double>(i) + 0.5, value(timeline.seconds()[i])});
  }
  return series;
}

double largest(const std::vector<ChartSeries>& all) {
  double max = 0;
  for (const ChartSeries& series : all) {
    for (const ChartPoint& point : series.points) max = std::max(max, point.y);
  }
  return max;
}

// As wide as the run, however odd the number of its seconds.
ChartAxis seconds_axis(const Timeline& timeline) {
  const auto seconds = static_cast<double>(timeline.seconds().size());
  ChartAxis axis = linear_axis("second of the run", seconds);
  axis.max = seconds;
  std::erase_if(axis.ticks, [seconds](const Tick& tick) { return tick.value > seconds; });
  return axis;
}

void add_event_rates(const Timeline& timeline, std::string& out) {
  Chart rates{.title = "Events in each second", .height = 200};
  rates.series.push_back(series_of(timeline, "events", kGreen, [](const auto& second) {
    return static_cast<double>(second.counts.events);
  }));
  rates.x = seconds_axis(timeline);
  rates.y = linear_axis("events in the second", largest(rates.series));
  out += rates.to_svg();
}

void add_rates(const Report& report, std::string& out) {
  const Timeline& timeline = report.tally->timeline;
  Chart rates{.title = "Requests in each second", .height = 260};
  rates.series.push_back(series_of(timeline, "failed, not sent", kRed, [](const auto& second) {
    return static_cast<double>(second.counts.failed + second.counts.not_sent);
  }));
  rates.series.back().is_bars = true;
  for (ChartPoint& point : rates.series.back().points) point.x -= 0.45;
  rates.series.push_back(series_of(timeline, "started", kOrange, [](const auto& second) {
    return static_cast<double>(second.counts.started);
  }));
  rates.series.push_back(series_of(timeline, "completed", kBlue, [](const auto& second) {
    return static_cast<double>(second.counts.completed);
  }));
  rates.x = seconds_axis(timeline);
  rates.y = linear_axis("requests in the second", largest(rates.series));
  out += rates.to_svg();
}

void add_timeline(const Report& report, std::string& out) {
  const Timeline& timeline = report.tally->timeline;
  if (timeline.seconds().empty()) return;
  out += "<h2>Timeline</h2>\n";
  add_rates(report, out);
  if (report.tally->events > 0) add_event_rates(timeline, out);
  const Tally& tally = *report.tally;
  const std::string what = tally.delay.count() > 0    ? "delay of events"
                           : report.settings->streams ? "time to the first event"
                                                      : "whole answers";
  Chart times{.title = "Times in each second: " + what, .height = 260};
  double min_us = 1e18;
  for (const TimelineSecond& second : timeline.seconds()) {
    if (second.recorded > 0) min_us = std::min(min_us, in_us(second.p50));
  }
  times.series.push_back(
      series_of(timeline, "max", kGrey, [](const auto& s) { return in_us(s.max); }));
  times.series.push_back(
      series_of(timeline, "p99", kOrange, [](const auto& s) { return in_us(s.p99); }));
  times.series.push_back(
      series_of(timeline, "p50", kBlue, [](const auto& s) { return in_us(s.p50); }));
  // A second without a value has no time, and not one of zero.
  for (ChartSeries& series : times.series) {
    std::erase_if(series.points, [](const ChartPoint& point) { return point.y <= 0; });
  }
  if (min_us > 1e17) return;
  times.x = seconds_axis(timeline);
  times.y = time_axis(what, min_us, largest(times.series));
  out += times.to_svg();
}

void add_gaps(const Report& report, std::string& out) {
  const LatencyHistogram& gaps = report.tally->gap;
  if (gaps.count() == 0) return;
  constexpr double kBarsPerDecade = 20;
  const double low = std::floor(std::log10(std::max(1.0, smallest_us(gaps))) * kBarsPerDecade);
  const double high = std::ceil(std::log10(std::max(10.0, in_us(gaps.max()))) * kBarsPerDecade);
  ChartSeries bars{.title = "gaps", .color = kGreen, .is_bars = true};
  for (double bar = low; bar <= high; ++bar) {
    bars.points.push_back({std::pow(10, bar / kBarsPerDecade), 0});
  }
  gaps.for_each([&](Duration value, uint64_t count) {
    const double bar = std::floor(std::log10(std::max(1.0, in_us(value))) * kBarsPerDecade) - low;
    const auto last = static_cast<double>(bars.points.size() - 1);
    bars.points[static_cast<size_t>(std::clamp(bar, 0.0, last))].y += static_cast<double>(count);
  });
  Chart chart{.title = "Gaps between the events of a stream", .height = 260};
  chart.x = time_axis("gap", bars.points.front().x, bars.points.back().x);
  chart.series.push_back(std::move(bars));
  chart.y = linear_axis("events", largest(chart.series));
  out += "<h2>Gaps between events</h2>\n" + chart.to_svg();
}

}  // namespace

std::string render_html(const Report& report) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>{}</title><style>{}</style></head><body><main>\n",
      escape_html(report.title()), kStyle);
  add_head(report, out);
  add_verdicts(report, out);
  add_times(report, out);
  add_distribution(report, out);
  add_timeline(report, out);
  add_gaps(report, out);
  add_failures(report, out);
  return out + "</main></body></html>\n";
}

}  // namespace sluice::load
