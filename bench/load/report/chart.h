// Charts as SVG text, without a script.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::load {

struct ChartPoint {
  double x = 0;
  double y = 0;
};

struct ChartSeries {
  std::string title;
  std::string_view color;
  std::vector<ChartPoint> points;
  bool is_bars = false;
};

// Where a value stands on an axis, and what is written there.
struct Tick {
  double value = 0;
  std::string label;
};

struct ChartAxis {
  std::string title;
  double min = 0;
  double max = 1;
  bool is_log = false;
  std::vector<Tick> ticks;
};

// Ticks and limits for values up to `max`, from zero.
[[nodiscard]] ChartAxis linear_axis(std::string title, double max);
// Powers of ten around the values, which must be above zero; labels are times.
[[nodiscard]] ChartAxis time_axis(std::string title, double min_us, double max_us);
// 90 %, 99 %, 99.9 % ... at even distances, up to what `count` values can tell.
[[nodiscard]] ChartAxis percentile_axis(uint64_t count);
// Where a share (0 to 1) stands on it.
[[nodiscard]] double percentile_place(double share) noexcept;

struct Chart {
  std::string title;  // Read out in place of the picture.
  ChartAxis x;
  ChartAxis y;
  std::vector<ChartSeries> series;
  uint32_t height = 300;

  [[nodiscard]] std::string to_svg() const;
};

// Text for an attribute or between tags.
[[nodiscard]] std::string escape_html(std::string_view text);

}  // namespace sluice::load
