// Makes the streams of several attempts into one for the client, without losing or repeating text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sluice/http/event_filter.h>
#include <sluice/json/choice_fields.h>
#include <sluice/json/field_reader.h>
#include <sluice/usage/carry_room.h>
#include <sluice/usage/resume_mode.h>

namespace sluice::usage {

// For chat and completions streams, over the whole exchange; one stream after the other passes.
//
// Keeps of all text that went out its length and digest, for each choice and kind of text. A stream
// that repeats the answer is withheld until it stands where the client does, which may be within an
// event, and must have come there by the same text: else standing() is kDiffers and nothing of it
// goes out. What it cannot follow, as parts of tool calls, logprobs, or an event too large to be
// held, ends the chance to resume. An error event of an upstream is withheld and counts as its
// loss.
//
// The client may see another id and time in later events, and an empty role or text where one was
// skipped. Parses every event. Holds memory of `room` from the first event to its death: for
// kAppend with room for the raw text of the only choice.
//
// `reader` is the shard's; `inner`, which may be null, decides beside it. All must outlive it.
class ResumeFilter final : public http::EventFilter {
 public:
  // What the room is asked for: small, and `text_bytes_max` beside it for kAppend.
  [[nodiscard]] static size_t memory_needed(ResumeMode mode, uint32_t text_bytes_max) noexcept;

  ResumeFilter(json::FieldReader& reader, ResumeMode mode, http::EventFilter* inner,
               CarryRoom& room, uint32_t text_bytes_max) noexcept
      : reader_(&reader),
        inner_(inner),
        room_(&room),
        mode_(mode),
        text_bytes_max_(text_bytes_max) {}
  ~ResumeFilter() override;
  ResumeFilter(const ResumeFilter&) = delete;
  ResumeFilter& operator=(const ResumeFilter&) = delete;

  // Whether another stream may go on where this one broke off.
  [[nodiscard]] bool can_resume() const noexcept;
  // For kAppend: what the client has of the answer, the raw inside of a JSON string; empty when it
  // has nothing, and the same request may go out again. Until the filter is called again.
  [[nodiscard]] std::string_view partial() const noexcept;
  // The next event is the first of another stream. Only when can_resume().
  void resume() noexcept;

  Look look_at(std::string_view) noexcept override { return {Look::kMayChange, 0}; }
  bool keeps(std::string_view event) noexcept override;
  bool keeps_whole(std::string_view event, http::EventPieces& instead) noexcept override;
  bool passes_unasked() noexcept override;
  [[nodiscard]] Standing standing() const noexcept override { return standing_; }
  // A stream is complete when it has said so, or all its choices have.
  [[nodiscard]] bool is_complete() const noexcept override;

 private:
  class Ledger;
  class Cuts;

  [[nodiscard]] bool asks_inner(std::string_view event) noexcept {
    return inner_ == nullptr || inner_->keeps(event);
  }
  // What goes on unread: is nothing may be skipped, the end of what can be resumed.
  bool give_up_following() noexcept;
  [[nodiscard]] bool make_ledger() noexcept;
  // False when the client gets nothing of the event.
  [[nodiscard]] bool follow(const json::ChoicesEvent& event, std::string_view text,
                            Cuts& cuts) noexcept;
  [[nodiscard]] bool is_caught_up() const noexcept;
  // Of an event without choices, as of usage or of a prompt's filters: whether the client has it.
  [[nodiscard]] bool repeats_aside() noexcept;

  json::FieldReader* reader_;
  http::EventFilter* inner_;
  CarryRoom* room_;
  Ledger* ledger_ = nullptr;
  ResumeMode mode_;
  Standing standing_ = Standing::kGoesOn;
  uint32_t text_bytes_max_;
  // Events without choices since the last text: that went out, and of the present stream.
  uint32_t asides_ = 0;
  uint32_t asides_again_ = 0;
  bool is_resumed_ = false;
  bool is_followed_ = true;  // All that went out is in the ledger.
  bool is_done_ = false;
};

}  // namespace sluice::usage
