// Server-sent events: where each event ends in a stream of de-chunked spans, and what is in one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::http {

// Finds the ends of events in an event stream that comes in any cuts.
//
// An event ends with its blank line; lines end in LF, CRLF or CR, mixed as they like. A complete
// event never waits: when a span ends in the CR of a blank line the event ends there, and should
// the next span begin with an LF, that LF counts as the first byte of the next event, where every
// reader ignores it. Blank lines in a row are events without content.
class EventScanner {
 public:
  static constexpr size_t npos = static_cast<size_t>(-1);

  // The offset just behind the end of the next event in `span`, searched from `from`, or npos when
  // none ends in it. Spans must be given in order, and each be searched until npos, with `from`
  // first 0 and then the offset returned before.
  [[nodiscard]] size_t next_end(std::string_view span, size_t from) noexcept;

  // Whether everything seen so far belongs to complete events.
  [[nodiscard]] bool at_event_boundary() const noexcept { return !is_open_; }
  // Whether the next byte begins an event, whatever it is. From here a caller may find the ends of
  // events by itself, and leave whole events that end in LF out of what is searched.
  [[nodiscard]] bool is_between_events() const noexcept {
    return !is_open_ && !after_cr_ && bom_bytes_ == kNoBom;
  }

 private:
  static constexpr uint8_t kNoBom = 4;

  // Returns the offset behind a line end whose first byte is span[at].
  size_t end_line(std::string_view span, size_t at) noexcept;

  uint8_t bom_bytes_ = 0;  // Bytes of a byte order mark seen; kNoBom once it is past.
  bool is_open_ = false;   // An event has begun and not ended.
  bool at_line_start_ = true;
  bool after_cr_ = false;  // The last byte was a CR: an LF now belongs to it.
};

// One field of an event. A line without a colon is a name without a value.
struct EventField {
  std::string_view name;
  std::string_view value;  // Without the one space that may follow the colon.
};

// Walks the fields of one whole event in order. Comments and the blank line are skipped, and so
// are an LF and a byte order mark at its start. Views point into the event.
class EventFields {
 public:
  explicit EventFields(std::string_view event) noexcept;
  // False at the end; `field` is then untouched.
  [[nodiscard]] bool next(EventField& field) noexcept;

 private:
  std::string_view rest_;
};

struct DataLines {
  std::string_view first;  // The value of the first data line.
  uint32_t lines = 0;      // With more than one, copy_data() joins them.
};
[[nodiscard]] DataLines data_of(std::string_view event) noexcept;

// Joins all data lines by LF in `out`; returns their length, or npos when `out` is too small.
[[nodiscard]] size_t copy_data(std::string_view event, std::span<char> out) noexcept;

// The value of the last event field; empty when there is none.
[[nodiscard]] std::string_view name_of(std::string_view event) noexcept;

}  // namespace sluice::http
