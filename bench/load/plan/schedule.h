// When the requests of an open loop are due.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>

namespace sluice::load {

// A rate over time, in pieces on each of which it changes evenly.
class Schedule {
 public:
  struct Piece {
    Duration length{0};  // 0 only in the last one: without an end.
    double rate_begin = 0;
    double rate_end = 0;
  };

  // "500" (a second), "100..5000" (a ramp over `duration`), "100@10s,500@20s" (steps). The error
  // is a sentence.
  [[nodiscard]] static std::expected<Schedule, std::string> parse(std::string_view text,
                                                                  Duration duration);

  // When the expected count of requests reaches `count`, from the start; empty when it never does.
  // `count` must not fall from call to call.
  [[nodiscard]] std::optional<Duration> due(double count) noexcept;

  [[nodiscard]] const std::vector<Piece>& pieces() const noexcept { return pieces_; }

 private:
  std::vector<Piece> pieces_;
  size_t at_ = 0;              // The piece that the last due() was in,
  double count_before_ = 0;    // the count at its beginning,
  double seconds_before_ = 0;  // and its beginning.
};

// The times of single requests: at even counts, or at those of a Poisson process. Both are times
// of the unit process mapped through the schedule, so a ramp or a step bends them exactly.
class Arrivals {
 public:
  Arrivals(Schedule schedule, bool is_poisson, uint64_t seed) noexcept;

  // The time of the next request from the start; empty when no more are due.
  [[nodiscard]] std::optional<Duration> next() noexcept;

 private:
  Schedule schedule_;
  bool is_poisson_;
  uint64_t random_;
  double count_ = 0;
};

// A number that looks random and is always the same for `seed` (splitmix64).
[[nodiscard]] uint64_t mix_bits(uint64_t seed) noexcept;
// The same in [0, 1).
[[nodiscard]] double mix_share(uint64_t seed) noexcept;

}  // namespace sluice::load
