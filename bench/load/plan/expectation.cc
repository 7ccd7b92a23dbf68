#include "plan/expectation.h"

#include <charconv>
#include <optional>

#include <sluice/base/units.h>

namespace sluice::load {
namespace {

std::optional<double> read_value(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 0) return value;
  if (const auto duration = parse_duration(text)) {
    return static_cast<double>(duration->count()) / 1000;
  }
  return std::nullopt;
}

}  // namespace

std::expected<Expectation, std::string> parse_expectation(std::string_view figure,
                                                          std::string_view text) {
  constexpr std::string_view kLeast = "at least ";
  constexpr std::string_view kMost = "at most ";
  constexpr std::string_view kTo = " to ";
  Expectation out{.figure = std::string(figure), .text = std::string(text)};
  std::optional<double> min, max;
  if (text.starts_with(kLeast)) {
    min = read_value(text.substr(kLeast.size()));
    max = out.max;
  } else if (text.starts_with(kMost)) {
    min = out.min;
    max = read_value(text.substr(kMost.size()));
  } else if (const size_t to = text.find(kTo); to != std::string_view::npos) {
    min = read_value(text.substr(0, to));
    max = read_value(text.substr(to + kTo.size()));
  } else {
    min = max = read_value(text);
  }
  if (!min || !max || *min > *max) {
    return std::unexpected("must be like `at least 100`, `at most 5ms`, `10 to 20` or `0`");
  }
  out.min = *min;
  out.max = *max;
  return out;
}

}  // namespace sluice::load
