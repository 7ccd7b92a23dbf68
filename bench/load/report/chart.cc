#include "report/chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "report/table.h"

namespace sluice::load {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 78, kRight = 16, kTop = 34, kBottom = 46;
constexpr double kPercentileDecadesMax = 7;

// Maps an axis to pixels.
class Scale {
 public:
  Scale(const ChartAxis& axis, double from, double to) : axis_(axis), from_(from), to_(to) {}
  [[nodiscard]] double operator()(double value) const {
    const double min = place(axis_.min), max = place(axis_.max);
    const double share = max > min ? (place(value) - min) / (max - min) : 0;
    return from_ + std::clamp(share, 0.0, 1.0) * (to_ - from_);
  }

 private:
  [[nodiscard]] double place(double value) const {
    return axis_.is_log ? std::log10(std::max(value, axis_.min)) : value;
  }
  const ChartAxis& axis_;
  double from_;
  double to_;
};

std::string draw_axes(const Chart& chart, const Scale& x, const Scale& y) {
  std::string out;
  const double bottom = chart.height - kBottom;
  for (const Tick& tick : chart.y.ticks) {
    const double at = y(tick.value);
    out += fmt::format(R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)", kLeft,
                       kWidth - kRight, at, at);
    out += fmt::format(R"(<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>)",
                       kLeft - 8, at + 4, escape_html(tick.label));
  }
  for (const Tick& tick : chart.x.ticks) {
    const double at = x(tick.value);
    out += fmt::format(R"(<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>)", at, at,
                       kTop, bottom);
    const bool is_at_edge = at > kWidth - kRight - 12;
    out += fmt::format(R"(<text class="tick" x="{:.1f}" y="{}" text-anchor="{}">{}</text>)", at,
                       bottom + 17, is_at_edge ? "end" : "middle", escape_html(tick.label));
  }
  out += fmt::format(R"(<text class="axis" x="{}" y="{}" text-anchor="end">{}</text>)",
                     kWidth - kRight, chart.height - 8, escape_html(chart.x.title));
  return out;
}

std::string draw_legend(const Chart& chart) {
  std::string out =
      fmt::format(R"(<text class="axis" x="{}" y="18">{}</text>)", 8, escape_html(chart.y.title));
  double at = kWidth - kRight;
  for (auto series = chart.series.rbegin(); series != chart.series.rend(); ++series) {
    at -= 30 + 7.2 * static_cast<double>(series->title.size());
    out += fmt::format(R"(<rect x="{:.1f}" y="9" width="14" height="{}" fill="{}"/>)", at,
                       series->is_bars ? 10 : 4, series->color);
    out += fmt::format(R"(<text class="legend" x="{:.1f}" y="18">{}</text>)", at + 19,
                       escape_html(series->title));
  }
  return out;
}

std::string draw_line(const ChartSeries& series, const Scale& x, const Scale& y) {
  std::string points;
  for (const ChartPoint& point : series.points) {
    fmt::format_to(std::back_inserter(points), "{:.1f},{:.1f} ", x(point.x), y(point.y));
  }
  std::string out = fmt::format(
      R"(<polyline fill="none" stroke="{}" stroke-width="2" stroke-linejoin="round" points="{}"/>)",
      series.color, points);
  // Few points are shown as such: a line of one point is invisible.
  if (series.points.size() > 60) return out;
  for (const ChartPoint& point : series.points) {
    out += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="2.5" fill="{}"/>)", x(point.x),
                       y(point.y), series.color);
  }
  return out;
}

std::string draw_bars(const Chart& chart, const ChartSeries& series, const Scale& x,
                      const Scale& y) {
  std::string out;
  const double bottom = y(chart.y.min);
  for (size_t i = 0; i < series.points.size(); ++i) {
    const ChartPoint& point = series.points[i];
    if (point.y <= 0) continue;
    const double left = x(point.x);
    const double next = i + 1 < series.points.size() ? x(series.points[i + 1].x) : left + 10;
    const double top = std::min(y(point.y), bottom - 1);
    out += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>)",
                       left, top, std::max(1.0, next - left - 1), bottom - top, series.color);
  }
  return out;
}

}  // namespace

ChartAxis linear_axis(std::string title, double max) {
  ChartAxis axis{.title = std::move(title)};
  const double rough = std::max(max, 1e-9) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power * 10;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (power * factor >= rough) {
      step = power * factor;
      break;
    }
  }
  if (step < 1) step = 1;
  axis.max = std::ceil(std::max(max, step) / step) * step;
  for (double value = 0; value <= axis.max + step / 2; value += step) {
    axis.ticks.push_back({value, format_count(static_cast<uint64_t>(value))});
  }
  return axis;
}

ChartAxis time_axis(std::string title, double min_us, double max_us) {
  ChartAxis axis{.title = std::move(title), .is_log = true};
  const double low = std::floor(std::log10(std::max(min_us, 1.0)));
  const double high = std::max(std::ceil(std::log10(std::max(max_us, 1.0))), low + 1);
  axis.min = std::pow(10, low);
  axis.max = std::pow(10, high);
  for (double decade = low; decade <= high; ++decade) {
    const double value = std::pow(10, decade);
    axis.ticks.push_back({value, format_us(value)});
  }
  return axis;
}

double percentile_place(double share) noexcept {
  if (share >= 1) return kPercentileDecadesMax;
  return std::min(-std::log10(1 - share), kPercentileDecadesMax);
}

ChartAxis percentile_axis(uint64_t count) {
  ChartAxis axis{.title = "share of all values at or below"};
  axis.max =
      std::clamp(std::log10(std::max(1.0, static_cast<double>(count))), 1.0, kPercentileDecadesMax);
  constexpr std::string_view kLabels[] = {"0 %",     "90 %",     "99 %",      "99.9 %",
                                          "99.99 %", "99.999 %", "99.9999 %", "99.99999 %"};
  for (size_t i = 0; i < std::size(kLabels) && static_cast<double>(i) <= axis.max; ++i) {
    axis.ticks.push_back({static_cast<double>(i), std::string(kLabels[i])});
  }
  axis.ticks.push_back({percentile_place(0.5), "50 %"});
  return axis;
}

std::string Chart::to_svg() const {
  const Scale to_x(x, kLeft, kWidth - kRight);
  const Scale to_y(y, height - kBottom, kTop);
  std::string out =
      fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>)",
                  kWidth, height, escape_html(title), escape_html(title));
  out += draw_axes(*this, to_x, to_y);
  for (const ChartSeries& each : series) {
    out += each.is_bars ? draw_bars(*this, each, to_x, to_y) : draw_line(each, to_x, to_y);
  }
  return out + draw_legend(*this) + "</svg>\n";
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace sluice::load
