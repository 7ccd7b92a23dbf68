// Whether an event of a stream brings something that the model said.
#pragma once

#include <string_view>

#include "needle.h"

namespace sluice::usage {

// True for a value that is a string of at least one character.
[[nodiscard]] inline bool is_text(std::string_view value) noexcept {
  return value.size() >= 2 && value[0] == '"' && value[1] != '"';
}

// Whether a delta that is an object brings anything. The first event of a chat stream names the
// role alone, and the last one is empty or has an empty text.
[[nodiscard]] bool delta_says_something(std::string_view delta) noexcept;

// The same for a whole event, or for the front of one, of any dialect: chat, completions, and
// /v1/responses.
[[nodiscard]] bool brings_content(std::string_view event) noexcept;

}  // namespace sluice::usage
