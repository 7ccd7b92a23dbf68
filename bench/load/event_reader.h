// Looks at the events of one stream as their bytes come in.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/http/sse.h>

#include "tally.h"

namespace sluice::load {

// The time that sluice-sim wrote into an event, in nanoseconds of the monotonic clock.
[[nodiscard]] std::optional<int64_t> stamp_of(std::string_view event) noexcept;

// One per stream; begin() makes it ready for the next.
class EventReader {
 public:
  // `reference` is the whole body that is expected; empty when any will do.
  EventReader(Tally& tally, std::string_view reference) noexcept
      : tally_(tally), reference_(reference) {}

  void begin(MonoTime sent) noexcept;
  // Takes a span of the body that was seen at `now`.
  void take(std::string_view span, MonoTime now);

  // After the end of the body: why the stream is not good, or empty.
  [[nodiscard]] std::string_view verdict() const noexcept;
  [[nodiscard]] bool has_done() const noexcept { return has_done_; }
  [[nodiscard]] bool differs() const noexcept {
    return differs_ || (!reference_.empty() && at_ != reference_.size());
  }
  [[nodiscard]] uint64_t events() const noexcept { return events_; }

 private:
  // An event that is cut by the ends of spans is collected up to here, and beyond only counted.
  static constexpr size_t kEventBytesMax = 256 * 1024;

  void take_event(std::string_view event, MonoTime now);

  Tally& tally_;
  std::string_view reference_;
  http::EventScanner scanner_;
  std::string partial_;
  MonoTime sent_;
  MonoTime last_;
  size_t at_ = 0;  // Bytes of the body so far.
  uint64_t events_ = 0;
  bool differs_ = false;
  bool has_done_ = false;
  bool has_error_ = false;
};

}  // namespace sluice::load
