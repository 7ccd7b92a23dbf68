// What each choice of one event of a chat or completions stream says, and where it stands.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <sluice/json/envelope_reader.h>

namespace sluice::json {

// The kinds of text that a choice may bring; a completion's `text` is content.
enum class SaidKind : uint8_t { kContent, kReasoningContent, kReasoning, kRefusal };
inline constexpr size_t kSaidKinds = 4;

// Ranges are the raw insides of strings, counted from the first byte of the event's payload; empty
// where there is none.
struct ChoiceFields {
  uint64_t index = 0;
  ByteRange role;
  std::array<ByteRange, kSaidKinds> said;
  bool has_finish_reason = false;
  // Something else that the model said, or that belongs to its text: a part of a tool call,
  // logprobs, a member that is not known.
  bool has_more = false;
};

struct ChoicesEvent {
  static constexpr size_t kChoicesMax = 8;

  bool has_error = false;    // `error` is there and not null.
  bool has_choices = false;  // `choices` is an array.
  size_t count = 0;
  std::array<ChoiceFields, kChoicesMax> choices;
};

// Takes one byte or one escape off the front of `raw`, the inside of a valid string that is not
// empty, and returns the bytes that it stands for; a lone surrogate is U+FFFD. The view points into
// `raw` or `scratch`.
[[nodiscard]] std::string_view take_character(std::string_view& raw,
                                              std::span<char, 4> scratch) noexcept;

}  // namespace sluice::json
