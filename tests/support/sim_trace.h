// What happened in a simulation, as one number: equal seeds must give equal numbers.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <sluice/base/clock.h>

namespace sluice::support {

// Fed by the simulated network and kernel. With SLUICE_SIM_TRACE set, prints each line to standard
// error.
class SimTrace {
 public:
  void add(MonoTime time, std::string_view what, int64_t a, int64_t b = 0, int64_t c = 0) {
    mix(static_cast<uint64_t>(time.time_since_epoch().count()));
    for (const char letter : what) mix(static_cast<uint8_t>(letter));
    mix(static_cast<uint64_t>(a));
    mix(static_cast<uint64_t>(b));
    mix(static_cast<uint64_t>(c));
    lines_[count_++ % kLinesKept] = {time, what, a, b, c};
    if (prints_) std::fputs(text_of(lines_[(count_ - 1) % kLinesKept]).c_str(), stderr);
  }
  // The last ones, one a line.
  [[nodiscard]] std::string last_lines() const {
    std::string text;
    const uint64_t first = count_ > kLinesKept ? count_ - kLinesKept : 0;
    for (uint64_t i = first; i < count_; ++i) text += text_of(lines_[i % kLinesKept]);
    return text;
  }
  [[nodiscard]] uint64_t hash() const noexcept { return hash_; }

 private:
  static constexpr uint64_t kLinesKept = 32;
  struct Line {
    MonoTime time;
    std::string_view what;  // A literal.
    int64_t a = 0;
    int64_t b = 0;
    int64_t c = 0;
  };

  static std::string text_of(const Line& line) {
    char text[128];
    std::snprintf(text, sizeof text, "%12lld %.*s %lld %lld %lld\n",
                  static_cast<long long>(line.time.time_since_epoch().count() / 1000),
                  static_cast<int>(line.what.size()), line.what.data(),
                  static_cast<long long>(line.a), static_cast<long long>(line.b),
                  static_cast<long long>(line.c));
    return text;
  }
  // FNV-1a by words.
  void mix(uint64_t word) noexcept { hash_ = (hash_ ^ word) * 0x100000001b3ull; }

  uint64_t hash_ = 0xcbf29ce484222325ull;
  std::array<Line, kLinesKept> lines_{};
  uint64_t count_ = 0;
  bool prints_ = std::getenv("SLUICE_SIM_TRACE") != nullptr;
};

}  // namespace sluice::support
