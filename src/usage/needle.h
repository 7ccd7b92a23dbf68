// Exact search for a short text in a long one, at some 16 bytes a step.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice::usage {

inline constexpr size_t npos = std::string_view::npos;

// Offset of the first `needle`, of at least three bytes, at or behind `from`; npos when there is
// none. Never reads outside `text`.
[[nodiscard]] size_t find_needle(std::string_view text, std::string_view needle,
                                 size_t from = 0) noexcept;

// What stands behind `key` (given with its quotes), a colon and white space: the text from the
// value's first byte on. Empty when no such member is in `text`, or the text ends before the value.
// `after`, when given, is where the next search may begin; npos when there was no member.
[[nodiscard]] std::string_view find_value(std::string_view text, std::string_view key,
                                          size_t from = 0, size_t* after = nullptr) noexcept;

// Whether a member `key` begins in `text`, at or behind `from`, whose value may be an object: it is
// one, or is cut off, or stands on the next data line of an event.
[[nodiscard]] bool may_have_object(std::string_view text, std::string_view key,
                                   size_t from = 0) noexcept;

// Whether a `finish_reason` in `text` is a string.
[[nodiscard]] bool has_finish_reason(std::string_view text) noexcept;

}  // namespace sluice::usage
