// A reader of passing body bytes that cannot change them.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::http {

// Sees the body in the turn in which it goes out: what it does is a part of that turn's time.
class EventTap {
 public:
  virtual ~EventTap() = default;

  // The next bytes of the body without their chunked framing, cut anywhere, also inside an event.
  // The view is dead when the call returns.
  virtual void on_span(std::string_view dechunked_span) noexcept = 0;

  // Instead of the spans of so many whole events that the stream's filter has found to be plain.
  // They stood between whole events too.
  virtual void on_plain_events(uint32_t count) noexcept = 0;

  // The body ended as its framing promised. Called at most once, and not for a broken body.
  virtual void on_end() noexcept = 0;

  // Of an event stream: whether an event has brought something that the model said, which one with
  // the role alone does not. Asked after each input until it is true.
  [[nodiscard]] virtual bool has_content() const noexcept = 0;

  // The stream must not go on. Asked after each input, where the relay's options say so.
  [[nodiscard]] virtual bool must_end() const noexcept { return false; }
};

}  // namespace sluice::http
