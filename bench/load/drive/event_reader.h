// Looks at the events of one stream as their bytes come in.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/http/sse.h>

#include "report/tally.h"

namespace sluice::load {

// The time that sluice-sim wrote into an event, in nanoseconds of the monotonic clock.
[[nodiscard]] std::optional<int64_t> stamp_of(std::string_view event) noexcept;

// Compares a body with what it should be, as it comes.
class ByteCheck {
 public:
  // `reference` is the whole body that is expected; empty when any will do.
  explicit ByteCheck(std::string_view reference) noexcept : reference_(reference) {}

  void begin() noexcept {
    at_ = 0;
    differs_ = false;
  }
  void take(std::string_view span) noexcept;
  // After the end of the body.
  [[nodiscard]] bool differs() const noexcept {
    return differs_ || (!reference_.empty() && at_ != reference_.size());
  }
  [[nodiscard]] bool compares() const noexcept { return !reference_.empty(); }

 private:
  std::string_view reference_;
  size_t at_ = 0;  // Bytes of the body so far.
  bool differs_ = false;
};

// One per stream; begin() makes it ready for the next.
class EventReader {
 public:
  EventReader(Tally& tally, Duration stall) noexcept : tally_(tally), stall_(stall) {}

  // A request that is not `counts` leaves the tally alone.
  void begin(MonoTime sent, bool counts) noexcept;
  // Takes a span of the body that was seen at `now`.
  void take(std::string_view span, MonoTime now);

  // After the end of the body: why the stream is not good, or empty.
  [[nodiscard]] std::string_view verdict() const noexcept;
  [[nodiscard]] bool has_done() const noexcept { return has_done_; }
  [[nodiscard]] uint64_t events() const noexcept { return events_; }

 private:
  // An event that is cut by the ends of spans is collected up to here, and beyond only counted.
  static constexpr size_t kEventBytesMax = 256 * 1024;

  void take_event(std::string_view event, MonoTime now);
  // Empty when the event is such as the API sends.
  [[nodiscard]] std::string_view fault_of(std::string_view event, const http::DataLines& data);

  Tally& tally_;
  Duration stall_;
  http::EventScanner scanner_;
  std::string partial_;
  MonoTime sent_;
  MonoTime last_;
  uint64_t events_ = 0;
  std::string_view fault_;
  bool counts_ = true;
  bool has_done_ = false;
  bool has_error_ = false;
};

}  // namespace sluice::load
