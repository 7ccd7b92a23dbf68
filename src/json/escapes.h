// Backslash escapes of JSON strings: checked all at once, resolved one string at a time.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace sluice::json {

// Offset of the first backslash that does not begin a valid escape, or npos. Lone surrogates are
// valid by RFC 8259. `text` needs 64 readable bytes behind it. Looks at the whole text, in strings
// or not: outside them a backslash is refused by the walk over the tokens anyway.
[[nodiscard]] size_t find_bad_escape(std::string_view text) noexcept;

// Resolves the escapes of `raw`, the inside of a string that passed find_bad_escape, into `out`;
// a lone surrogate becomes U+FFFD. `out` must hold raw.size() bytes. Returns the length written.
[[nodiscard]] size_t unescape(std::string_view raw, std::span<char> out) noexcept;

}  // namespace sluice::json
