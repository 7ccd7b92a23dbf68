// Decides, before the send, which events of an event stream the client gets.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::http {

// Works on whole events and answers from their bytes alone.
class EventFilter {
 public:
  virtual ~EventFilter() = default;

  // What a cheap look at many events at once tells.
  struct Look {
    enum Kind : uint8_t {
      kAllPlain,  // If the span begins with an event: whole plain events, which all go on.
      kKeepsAll,  // All whole events go on, without a call of keeps().
      kAsk,       // Each must be asked about; that is all that is known.
    };
    Kind kind;
    uint32_t plain_events;  // With kAllPlain, how many; the tap is told of them by number.
  };
  virtual Look look_at(std::string_view span) noexcept = 0;

  // Whether the client gets `event`, which is one whole event with the blank line that ends it.
  virtual bool keeps(std::string_view event) noexcept = 0;
};

}  // namespace sluice::http
