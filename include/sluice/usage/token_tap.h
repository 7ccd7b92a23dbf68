// Reads what an answer used while it passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sluice/http/event_tap.h>
#include <sluice/http/sse.h>
#include <sluice/json/field_reader.h>
#include <sluice/usage/carry.h>
#include <sluice/usage/plain_events.h>
#include <sluice/usage/record.h>
#include <sluice/usage/resume_mode.h>
#include <sluice/usage/usage_finder.h>

namespace sluice::usage {

class WalkedEvent;

enum class BodyKind : uint8_t { kJson, kEventStream };

// Takes the usage from whichever event or place of the body has it, and beside that counts the
// events with content, so that a stream that is cut is settled by what went out. Events are
// judged by exact searches in their bytes, nearly all of them in one pass, and not parsed.
//
// An answer may come in several streams, each of which broke off but the last. One that says the
// answer once more (ResumeMode::kRetry) stands for what broke off before it, unless it has come
// less far; one that continues it (kAppend) adds to that.
//
// Borrows memory of `event_room` and `object_room` only while an event or a usage object is cut.
// Lives in its exchange; the rooms and `reader`, which is the shard's, must outlive it.
class TokenTap final : public http::EventTap {
 public:
  TokenTap(json::FieldReader& reader, BodyKind kind, CarryRoom& event_room,
           CarryRoom& object_room) noexcept
      : kind_(kind), finder_(reader, object_room), carry_(event_room, kCarryBytesMax) {}

  void on_span(std::string_view dechunked_span) noexcept override;
  void on_plain_events(uint32_t count) noexcept override { content_events_ += count; }
  void on_end() noexcept override { has_ended_ = true; }
  [[nodiscard]] bool has_content() const noexcept override { return content_events_ > 0; }

  // The next span is the first of another stream: nothing of it belongs to an event or an object
  // that the one before was cut in.
  void resume(ResumeMode mode) noexcept;

  // The events that it no longer needs to look at, for the stream's filter.
  [[nodiscard]] PlainEvents& plain_events() noexcept { return plain_; }

  // What is known of the answer so far; good at any time, and final once the body ended or broke.
  [[nodiscard]] Usage usage() const noexcept;
  // The same of the present stream alone.
  [[nodiscard]] Usage stream_usage() const noexcept;

  // The answer's events with at least one token: text, reasoning, or a part of a tool call. The
  // first span after which this is not zero brought the first token.
  [[nodiscard]] uint64_t content_events() const noexcept;
  // The stream's own words on how it ended: a finish reason or its like, `[DONE]`, an error.
  [[nodiscard]] bool has_finished() const noexcept { return has_finished_; }
  [[nodiscard]] bool is_done() const noexcept { return is_done_; }
  [[nodiscard]] bool has_error() const noexcept { return has_error_; }

 private:
  // The front of an event that was cut; what is behind it does not change how it is judged.
  static constexpr uint32_t kCarryBytesMax = 1024;

  // Takes the whole events of `span` from `begin` on for as long as their lines end in LF, and
  // returns where the first other one begins.
  size_t walk_events(std::string_view span, size_t begin) noexcept;
  // Takes one event, or its part in `span`, with its end as the scanner sees it.
  size_t take_event(std::string_view span, size_t begin) noexcept;
  void take_walked(std::string_view span, const WalkedEvent& event) noexcept;
  void judge(std::string_view event) noexcept;
  void judge_chat(std::string_view text, std::string_view delta) noexcept;
  void judge_response(std::string_view type, std::string_view delta) noexcept;

  BodyKind kind_;
  bool has_ended_ = false;
  bool has_finished_ = false;
  bool is_done_ = false;
  bool has_error_ = false;
  bool has_lost_ = false;                 // There was no memory to carry an event.
  ResumeMode mode_ = ResumeMode::kRetry;  // How this stream follows those before it.
  Usage earlier_;                         // What is known by those before it.
  uint64_t earlier_events_ = 0;
  http::EventScanner scanner_;
  PlainEvents plain_;
  uint64_t content_events_ = 0;
  UsageFinder finder_;
  Carry carry_;
};

}  // namespace sluice::usage
