// Turns received buffers into batches for the client: verbatim where possible, re-framed or
// filtered where needed.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include <sluice/base/raw_array.h>
#include <sluice/http/event_filter.h>
#include <sluice/http/response_sink.h>
#include <sluice/http/sse.h>
#include <sluice/io/block_pool.h>
#include <sluice/io/buffer.h>

#include "batch.h"
#include "body_decoder.h"

namespace sluice::relay {

// What one hand_over() has passed, for the tap. As long as a page of a stream's memory, so it lives
// on the stack of its caller.
class Passed {
 public:
  static constexpr size_t kSpansMax = 64;

  // The payload that is shown.
  [[nodiscard]] std::span<const std::string_view> spans() const noexcept {
    return {spans_.data(), count_};
  }
  // Plain events beside it, which no span shows.
  [[nodiscard]] uint32_t plain_events() const noexcept { return plain_events_; }
  [[nodiscard]] bool is_full() const noexcept { return count_ == kSpansMax; }

  void add_span(std::string_view span) noexcept { spans_[count_++] = span; }
  void add_plain_events(uint32_t count) noexcept { plain_events_ += count; }

 private:
  RawArray<std::string_view, kSpansMax> spans_;
  size_t count_ = 0;
  uint32_t plain_events_ = 0;
};

class Handover {
 public:
  // How the client's body is written.
  enum class Output : uint8_t {
    kVerbatim,  // The upstream's bytes as they are, chunked framing included.
    kChunked,   // Payload in chunks of our own.
    kPlain,     // Bare payload.
  };

  Handover(http::BodyFraming framing, Output output, http::EventFilter* filter,
           io::BlockPool& blocks) noexcept
      : decoder_(framing), output_(output), filter_(filter), blocks_(blocks) {}

  // Moves what it can of `input` into `batch`; the batch takes the buffer over once it is used up
  // and still pointed into, else it is left empty for the caller to release after the tap. With
  // `copy` the bytes are copied, so that no buffer is pinned behind a send. Error: the upstream
  // broke its framing, or an event could not be held; what came before is in the batch.
  [[nodiscard]] Result<void> hand_over(io::Buffer& input, Batch& batch, bool copy,
                                       Passed& passed) noexcept;

  // The upstream closed. False when its body is cut short.
  [[nodiscard]] bool close() noexcept { return decoder_.close(); }
  [[nodiscard]] bool is_finished() const noexcept { return decoder_.is_finished(); }
  // Bytes of the upstream that lie behind its body; they make its connection unusable.
  [[nodiscard]] bool has_excess() const noexcept { return has_excess_; }

  [[nodiscard]] uint64_t payload_bytes() const noexcept { return payload_bytes_; }

  // Ends the body for the client after is_finished(), where verbatim bytes have not done so.
  void finish(Batch& batch) noexcept;
  // Writes `event` behind a broken event stream if it stands between events. False when it does
  // not, and then nothing was written.
  [[nodiscard]] bool write_broken_event(Batch& batch, std::string_view event) noexcept;

  // Whether all that is in batches ends between events, where bytes of ours could follow at once.
  [[nodiscard]] bool stands_between_events() const noexcept;
  // Writes a comment into an event stream; only while stands_between_events().
  void write_comment(Batch& batch, std::string_view comment) noexcept;

 private:
  // A usage event is a few hundred bytes; an event larger than this is none and need not wait.
  static constexpr size_t kHeldEventMax = 16 * 1024;
  // The most padding that is written to complete a chunk whose upstream is gone.
  static constexpr uint64_t kFillMax = 4096;

  [[nodiscard]] Result<size_t> hand_over_verbatim(std::string_view bytes, Batch& batch,
                                                  bool copy) noexcept;
  [[nodiscard]] Result<size_t> hand_over_reframed(std::string_view bytes, Batch& batch,
                                                  bool copy) noexcept;
  // No chunk and no event is open, and none is held.
  [[nodiscard]] bool is_between_all() const noexcept;
  // Sends whole events in whole chunks as they are, less chunks of one event that is dropped, for
  // as long as `bytes` begins with such; returns how many bytes that are.
  [[nodiscard]] size_t hand_over_untouched(std::string_view bytes, Batch& batch,
                                           bool copy) noexcept;
  // What a span is that begins where an event does.
  struct Whole {
    enum Kind : uint8_t {
      kCut,      // Not whole events, or the filter must be asked about each of them.
      kGoesOn,   // Whole events that all go on.
      kDropped,  // One whole event that the client does not get.
    };
    Kind kind;
    uint32_t plain_events = 0;  // How many, if it is nothing but such.
  };
  [[nodiscard]] Whole look_at_whole(std::string_view span) noexcept;
  [[nodiscard]] bool filter_span(std::string_view span, Batch& batch, bool copy) noexcept;
  [[nodiscard]] bool end_held_event(std::string_view rest, Batch& batch) noexcept;
  [[nodiscard]] bool hold_event_part(std::string_view part, Batch& batch) noexcept;
  [[nodiscard]] bool put_instead(const http::EventPieces& instead, Batch& batch,
                                 bool copy) noexcept;
  [[nodiscard]] bool put(std::string_view piece, Batch& batch, bool copy) noexcept;
  void put_whole(std::string_view piece, Batch& batch, bool copy) noexcept;
  void note_span(std::string_view span) noexcept;
  void note_tail(std::string_view span) noexcept;

  BodyDecoder decoder_;
  Output output_;
  http::EventFilter* filter_;
  io::BlockPool& blocks_;
  http::EventScanner scanner_;
  bool has_excess_ = false;
  bool input_is_referenced_ = false;  // Slices point into the present input.
  bool is_ended_ = false;             // The client has got the end of the body.
  bool ended_in_cr_ = false;          // The last filtered span did.
  bool was_dropped_ = false;          // The last whole event.
  bool passes_event_ = false;  // The open event is too large to be held and goes on in pieces.
  io::Block held_;             // The beginning of an incomplete event.
  size_t held_bytes_ = 0;
  uint64_t payload_bytes_ = 0;
  Passed* passed_ = nullptr;  // Of the hand_over() under way.
  // The last bytes of the payload, to tell whether it stands between events.
  std::array<char, 4> tail_{'\n', '\n', '\n', '\n'};
};

}  // namespace sluice::relay
