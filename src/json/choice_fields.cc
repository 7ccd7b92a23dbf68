#include <sluice/json/choice_fields.h>

#include <optional>

#include <sluice/json/field_reader.h>

#include "members.h"
#include "structurals.h"
#include "token_cursor.h"

namespace sluice::json {

namespace {

class ChoicesWalk {
 public:
  ChoicesWalk(std::string_view text, const Structurals& structurals) noexcept
      : text_(text), cursor_(text, structurals, kBodyDepthMax) {}

  // False where the event is not to be understood.
  [[nodiscard]] bool run(ChoicesEvent& event) noexcept {
    const bool is_read = for_each_member(cursor_, [&](std::string_view key) {
      if (key == "choices") return read_choices(event);
      if (key == "error" && cursor_.peek() != 'n') event.has_error = true;
      return cursor_.skip_value();
    });
    return is_read && cursor_.at_end();
  }

 private:
  [[nodiscard]] bool read_choices(ChoicesEvent& event) noexcept {
    if (cursor_.peek() != '[') return cursor_.skip_value();
    if (!cursor_.enter_array()) return false;
    event.has_choices = true;
    bool is_first = true;
    while (true) {
      const TokenCursor::Step step = cursor_.next_element(is_first);
      if (step != TokenCursor::Step::kMember) return step == TokenCursor::Step::kEnd;
      if (event.count == ChoicesEvent::kChoicesMax || cursor_.peek() != '{') return false;
      if (!read_choice(event.choices[event.count++])) return false;
    }
  }

  [[nodiscard]] bool read_choice(ChoiceFields& choice) noexcept {
    return for_each_member(cursor_, [&](std::string_view key) {
      if (key == "delta" && cursor_.peek() == '{') return read_delta(choice);
      std::string_view token;
      if (!cursor_.take_value(token)) return false;
      if (key == "text") return note_text(token, said(choice, SaidKind::kContent), choice);
      if (key == "finish_reason" && token.front() == '"') choice.has_finish_reason = true;
      if (key == "logprobs" && token != "null") choice.has_more = true;
      if (key != "index") return true;
      const std::optional<uint64_t> index = unsigned_value(token);
      choice.index = index.value_or(0);
      return index.has_value();
    });
  }

  [[nodiscard]] bool read_delta(ChoiceFields& choice) noexcept {
    return for_each_member(cursor_, [&](std::string_view key) {
      std::string_view token;
      if (!cursor_.take_value(token)) return false;
      if (key == "role") return note_text(token, choice.role, choice);
      if (key == "content") return note_text(token, said(choice, SaidKind::kContent), choice);
      if (key == "reasoning_content") {
        return note_text(token, said(choice, SaidKind::kReasoningContent), choice);
      }
      if (key == "reasoning") return note_text(token, said(choice, SaidKind::kReasoning), choice);
      if (key == "refusal") return note_text(token, said(choice, SaidKind::kRefusal), choice);
      const bool is_nothing = token == "null" || token == "[]" || token == "{}" || token == "\"\"";
      choice.has_more = choice.has_more || !is_nothing;
      return true;
    });
  }

  [[nodiscard]] static ByteRange& said(ChoiceFields& choice, SaidKind kind) noexcept {
    return choice.said[static_cast<size_t>(kind)];
  }

  [[nodiscard]] bool note_text(std::string_view token, ByteRange& range,
                               ChoiceFields& choice) noexcept {
    if (token == "null") return true;
    const std::optional<std::string_view> text = string_inside(token);
    // Given twice, or no text: whoever reads it may take either.
    if (!text || range.length > 0) {
      choice.has_more = true;
      return true;
    }
    if (!text->empty()) range = {static_cast<size_t>(text->data() - text_.data()), text->size()};
    return true;
  }

  std::string_view text_;
  TokenCursor cursor_;
};

}  // namespace

std::optional<ChoicesEvent> FieldReader::read_choices(std::string_view text) noexcept {
  const auto copy = index(text);
  if (!copy) return std::nullopt;
  ChoicesEvent event;
  if (!ChoicesWalk(*copy, *structurals_).run(event)) return std::nullopt;
  return event;
}

}  // namespace sluice::json
