// What happened in a simulation, as one number: equal seeds must give equal numbers.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
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
    if (prints_) {
      std::fprintf(stderr, "%12lld %.*s %lld %lld %lld\n",
                   static_cast<long long>(time.time_since_epoch().count() / 1000),
                   static_cast<int>(what.size()), what.data(), static_cast<long long>(a),
                   static_cast<long long>(b), static_cast<long long>(c));
    }
  }
  [[nodiscard]] uint64_t hash() const noexcept { return hash_; }

 private:
  // FNV-1a by words.
  void mix(uint64_t word) noexcept { hash_ = (hash_ ^ word) * 0x100000001b3ull; }

  uint64_t hash_ = 0xcbf29ce484222325ull;
  bool prints_ = std::getenv("SLUICE_SIM_TRACE") != nullptr;
};

}  // namespace sluice::support
