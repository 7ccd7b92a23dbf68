// Decides, before the send, which events of an event stream the client gets.
#pragma once

#include <cstddef>
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

  // Chunks of plain events, which all go on, and what they hold.
  struct PlainChunks {
    size_t end;           // Behind the last of them.
    uint32_t events = 0;  // Zero when there is none.
    size_t payload_bytes = 0;
    std::string_view last;  // The last one's payload.
  };
  // Those that stand in `bytes` from `begin` on, where a chunk and an event must begin. Spares a
  // look_at() for each; a filter may leave it at finding none.
  virtual PlainChunks find_plain_chunks(std::string_view bytes, size_t begin) noexcept {
    (void)bytes;
    return {.end = begin};
  }

  // Whether the client gets `event`, which is one whole event with the blank line that ends it.
  virtual bool keeps(std::string_view event) noexcept = 0;
};

}  // namespace sluice::http
