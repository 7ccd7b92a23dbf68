#include "plan/schedule.h"

#include <charconv>
#include <cmath>

#include <sluice/base/units.h>

namespace sluice::load {
namespace {

constexpr double kRateMax = 10'000'000;

std::optional<double> read_rate(std::string_view text) {
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || !std::isfinite(rate) || rate < 0 || rate > kRateMax) return std::nullopt;
  return rate;
}

double in_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::unexpected<std::string> wrong(std::string_view text) {
  return std::unexpected(std::string(text) +
                         " is not like 500, 100..5000 or 100@10s,500@20s (requests a second)");
}

}  // namespace

std::expected<Schedule, std::string> Schedule::parse(std::string_view text, Duration duration) {
  Schedule schedule;
  if (const size_t dots = text.find(".."); dots != std::string_view::npos) {
    const auto begin = read_rate(text.substr(0, dots));
    const auto end = read_rate(text.substr(dots + 2));
    if (!begin || !end || *begin + *end <= 0) return wrong(text);
    if (duration <= Duration::zero()) {
      return std::unexpected("a ramp such as " + std::string(text) + " needs a duration");
    }
    schedule.pieces_.push_back({duration, *begin, *end});
    return schedule;
  }
  if (text.find('@') == std::string_view::npos) {
    const auto rate = read_rate(text);
    if (!rate || *rate <= 0) return wrong(text);
    schedule.pieces_.push_back({duration, *rate, *rate});
    return schedule;
  }
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view step = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const size_t at = step.find('@');
    if (at == std::string_view::npos) return wrong(text);
    const auto rate = read_rate(step.substr(0, at));
    const auto length = parse_duration(step.substr(at + 1));
    if (!rate || !length || *length <= Duration::zero()) return wrong(text);
    schedule.pieces_.push_back({*length, *rate, *rate});
  }
  return schedule;
}

std::optional<Duration> Schedule::due(double count) noexcept {
  for (; at_ < pieces_.size(); ++at_) {
    const Piece& piece = pieces_[at_];
    const double length = in_seconds(piece.length);
    const double wanted = count - count_before_;
    double inside = 0;  // Seconds into the piece.
    if (length <= 0) {
      inside = wanted / piece.rate_begin;
    } else {
      const double whole = (piece.rate_begin + piece.rate_end) / 2 * length;
      if (wanted >= whole) {
        count_before_ += whole;
        seconds_before_ += length;
        continue;
      }
      // The count after t is begin * t + slope * t^2 / 2; this form of its root holds for any
      // slope.
      const double slope = (piece.rate_end - piece.rate_begin) / length;
      const double root =
          std::sqrt(std::max(0.0, piece.rate_begin * piece.rate_begin + 2 * slope * wanted));
      inside = wanted <= 0 ? 0 : 2 * wanted / (piece.rate_begin + root);
    }
    return Duration(std::llround((seconds_before_ + inside) * 1e9));
  }
  return std::nullopt;
}

Arrivals::Arrivals(Schedule schedule, bool is_poisson, uint64_t seed) noexcept
    : schedule_(std::move(schedule)), is_poisson_(is_poisson), random_(mix_bits(seed)) {}

std::optional<Duration> Arrivals::next() noexcept {
  if (is_poisson_) {
    random_ = mix_bits(random_);
    count_ -= std::log1p(-mix_share(random_));
  }
  const std::optional<Duration> due = schedule_.due(count_);
  if (!is_poisson_) count_ += 1;
  return due;
}

uint64_t mix_bits(uint64_t seed) noexcept {
  uint64_t z = seed + 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

double mix_share(uint64_t seed) noexcept {
  return static_cast<double>(mix_bits(seed) >> 11) * 0x1.0p-53;
}

}  // namespace sluice::load
