// Holds the beginning of an answer back until it has said something.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <sluice/http/chunked.h>
#include <sluice/http/event_tap.h>
#include <sluice/http/head.h>
#include <sluice/io/buffer.h>

namespace sluice::relay {

// For a choice between two attempts, which can be made only before the commit point: whoever
// receives an event stream's first buffers gives them here, and once the choice is made gives them
// to relay_body() as `first` and `RelayOptions::more`.
//
//     AnswerStart start(head.body, first_content);
//     start.take(std::move(first_bytes));
//     while (!start.is_decided()) start.take(<the next buffer received>);
//
// What it holds is pinned, so it holds few buffers. `tap` must outlive it and sees only what is
// given here.
class AnswerStart {
 public:
  static constexpr size_t kBuffersMax = 4;

  AnswerStart(http::BodyFraming framing, http::EventTap& tap) noexcept
      : framing_(framing), decoder_(Side::kUpstream), tap_(&tap) {}

  // Only while not is_decided(). An empty buffer is let go at once.
  void take(io::Buffer bytes) noexcept;

  // Nothing is gained by waiting on: content has come, the body has ended or broke its framing, or
  // no more can be held.
  [[nodiscard]] bool is_decided() const noexcept {
    return tap_->has_content() || is_over_ || count_ == kBuffersMax;
  }

  [[nodiscard]] io::Buffer take_first() noexcept { return std::move(buffers_[0]); }
  // What came behind the first; lives here until it is relayed.
  [[nodiscard]] std::span<io::Buffer> more() noexcept {
    return {buffers_.data() + 1, count_ < 2 ? 0 : count_ - 1};
  }

 private:
  // Shows the payload in `bytes`.
  void show(std::string_view bytes) noexcept;

  http::BodyFraming framing_;
  http::ChunkedDecoder decoder_;
  http::EventTap* tap_;
  std::array<io::Buffer, kBuffersMax> buffers_;
  size_t count_ = 0;
  uint64_t payload_bytes_ = 0;
  bool is_over_ = false;
};

}  // namespace sluice::relay
