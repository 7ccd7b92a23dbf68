// Decides, before the send, which events of an event stream the client gets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <sluice/base/assert.h>
#include <sluice/base/raw_array.h>

namespace sluice::http {

// What the client gets of an event in its place: views that live until the event's do, or until the
// filter is called again.
class EventPieces {
 public:
  static constexpr size_t kMost = 17;

  [[nodiscard]] std::span<const std::string_view> pieces() const noexcept {
    return {pieces_.data(), count_};
  }
  [[nodiscard]] bool is_empty() const noexcept { return count_ == 0; }
  void add(std::string_view piece) noexcept {
    SLUICE_ASSERT(count_ < kMost);
    pieces_[count_++] = piece;
  }

 private:
  RawArray<std::string_view, kMost> pieces_;
  size_t count_ = 0;
};

// Works on whole events.
class EventFilter {
 public:
  virtual ~EventFilter() = default;

  // What a cheap look at many events at once tells.
  struct Look {
    enum Kind : uint8_t {
      kAllPlain,   // If the span begins with an event: whole plain events, which all go on.
      kKeepsAll,   // All whole events go on, without a call of keeps().
      kAsk,        // Each must be asked about by keeps(); that is all that is known.
      kMayChange,  // Each must be asked about, once and in order, by keeps_whole().
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

  // The same for a filter that changes events: true when `event` goes on as it is, else the client
  // gets what was put into `instead`, or nothing.
  virtual bool keeps_whole(std::string_view event, EventPieces& instead) noexcept {
    (void)instead;
    return keeps(event);
  }
  // Whether an event that is too large to be held may go on without having been asked about. False
  // ends the stream as broken.
  virtual bool passes_unasked() noexcept { return true; }

  // Of a stream that may be resumed by another one, asked after each input.
  enum class Standing : uint8_t {
    kGoesOn,
    kLost,     // The upstream has said that it cannot go on; nothing of that was sent.
    kDiffers,  // What it sends now does not continue what was sent.
  };
  [[nodiscard]] virtual Standing standing() const noexcept { return Standing::kGoesOn; }
  // Whether the body may end here, as its framing says.
  [[nodiscard]] virtual bool is_complete() const noexcept { return true; }
};

}  // namespace sluice::http
