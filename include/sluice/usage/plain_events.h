// Recognises the events of a stream that differ from an earlier one only in their piece of text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sluice/http/event_filter.h>

namespace sluice::usage {

class WalkedEvent;

// What stands around the text of an event that was looked at in full.
struct LearnedEvent {
  static constexpr size_t kBeforeMax = 320;
  static constexpr size_t kBehindMax = 128;

  uint32_t before_bytes = 0;  // Zero until something was learned.
  uint32_t behind_bytes = 0;
  std::array<char, kBeforeMax> before;  // Up to and with the quote in front of the text.
  std::array<char, kBehindMax> behind;  // From the quote behind it to the end.
};

// Nearly all events of an answer repeat each other but for one string: the new text. Comparing what
// stands around that string with an event that was looked at in full spares the look.
//
// An event matches when it is the learned one with other text: text without a quote or a control
// byte, and not ending in a backslash. So it is one whole event, of one data line, that ends where
// its blank line does, and it has the same members with the same values beside its text. One
// stream's; filter and tap of the stream share it.
class PlainEvents {
 public:
  // Learns from the event that `span` begins with, if it is a whole chat event of one data line
  // that brings content, and no usage and no finish reason, and is not too long.
  void learn(std::string_view span) noexcept;
  // The same from an event that was walked already.
  void learn(const WalkedEvent& event) noexcept;

  struct Run {
    size_t end;       // Behind the last event that matched.
    uint32_t events;  // How many did.
  };
  // The matching events that stand in `span` from `begin` on, where an event must begin.
  [[nodiscard]] Run match(std::string_view span, size_t begin) const noexcept;
  // The same for a body in chunks: those that hold nothing but matching events.
  [[nodiscard]] http::EventFilter::PlainChunks find_chunks(std::string_view bytes,
                                                           size_t begin) const noexcept;

 private:
  // Streams whose every event differs elsewhere too (padding, a time) gain nothing by learning.
  static constexpr uint32_t kLearnedMax = 16;

  LearnedEvent learned_;
  uint32_t times_learned_ = 0;
};

}  // namespace sluice::usage
