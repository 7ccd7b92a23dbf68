// Waits for the first event of a stream that brings something the model said.
#pragma once

#include <cstdint>
#include <string_view>

#include <sluice/http/event_tap.h>
#include <sluice/http/sse.h>
#include <sluice/usage/carry.h>

namespace sluice::usage {

// For streams whose usage nobody counts, and for what comes before the commit point: judges events
// as TokenTap does, and stops looking at the first that brings text, reasoning, a refusal or a part
// of a tool call. A delta with the role alone brings nothing.
//
// Borrows memory of `room` only while an event is cut. Without memory the event is taken for
// content: what cannot be told must not end a stream.
class FirstContent final : public http::EventTap {
 public:
  explicit FirstContent(CarryRoom& room) noexcept : carry_(room, kCarryBytesMax) {}

  void on_span(std::string_view dechunked_span) noexcept override {
    if (!has_content_) look_at(dechunked_span);
  }
  void on_plain_events(uint32_t count) noexcept override {
    has_content_ = has_content_ || count > 0;
  }
  void on_end() noexcept override {}
  [[nodiscard]] bool has_content() const noexcept override { return has_content_; }

 private:
  // The front of an event that was cut; what is behind it does not change how it is judged.
  static constexpr uint32_t kCarryBytesMax = 1024;

  void look_at(std::string_view span) noexcept;

  http::EventScanner scanner_;
  Carry carry_;
  bool has_content_ = false;
};

}  // namespace sluice::usage
