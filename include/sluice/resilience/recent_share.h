// How many of recent events were of one kind: failures of requests, retries of requests.
#pragma once

#include <array>
#include <cstdint>

#include <sluice/base/clock.h>

namespace sluice::resilience {

// Counts over a window that slides in steps of a tenth, so it covers nine tenths of it at least.
// Times must not go backwards. Owned by one thread.
class RecentShare {
 public:
  static constexpr uint32_t kBuckets = 10;

  struct Counts {
    uint32_t whole = 0;
    uint32_t part = 0;
  };

  // Another window than before begins to count anew.
  void set_window(Duration window) noexcept;
  void add_whole(MonoTime now) noexcept;
  void add_part(MonoTime now) noexcept;
  [[nodiscard]] const Counts& counts(MonoTime now) noexcept;
  void forget() noexcept;

 private:
  void turn_to(MonoTime now) noexcept;

  Duration width_ = seconds(1);  // Of a bucket.
  std::array<Counts, kBuckets> buckets_{};
  Counts sum_{};
  int64_t newest_ = 0;  // The running bucket's number, in widths since the clock's origin.
};

}  // namespace sluice::resilience
