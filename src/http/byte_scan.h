// Finds the first byte that ends or breaks a token, a target, a field value or a line.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::http {

// Each function returns the first byte in [begin, end) that is not in its set, or `end`. None
// reads outside [begin, end).
struct ByteScan {
  using Scan = const char* (*)(const char* begin, const char* end) noexcept;
  Scan token;     // RFC 9110 token characters.
  Scan target;    // Characters that RFC 3986 allows in a path or query.
  Scan value;     // Field values: everything but controls; the tab is allowed.
  Scan line;      // Everything but CR and LF.
};

// The widest version that this machine can run, chosen once at start.
[[nodiscard]] const ByteScan& byte_scan() noexcept;

// The single versions, for the test that compares them. The vector ones are null where the
// machine cannot run them.
[[nodiscard]] const ByteScan& scalar_byte_scan() noexcept;
[[nodiscard]] const ByteScan* sse2_byte_scan() noexcept;
[[nodiscard]] const ByteScan* avx2_byte_scan() noexcept;

enum CharClass : uint8_t {
  kTokenChar = 1,
  kTargetChar = 2,
  kValueChar = 4,
  kLineChar = 8,
  kHostChar = 16,  // Registered names: RFC 3986 without the comma, which would hide a list.
};

namespace detail {
constexpr bool is_one_of(const char* set, int c) {
  for (; *set != 0; ++set) {
    if (*set == c) return true;
  }
  return false;
}

constexpr std::array<uint8_t, 256> make_char_classes() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    const bool alnum =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    uint8_t set = 0;
    if (alnum || is_one_of("!#$%&'*+-.^_`|~", c)) set |= kTokenChar;
    if (alnum || is_one_of("-._~!$&'()*+,;=:@/?%", c)) set |= kTargetChar;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) set |= kValueChar;
    if (c != '\r' && c != '\n') set |= kLineChar;
    if (alnum || is_one_of("-._~!$&'()*+;=%", c)) set |= kHostChar;
    classes[static_cast<size_t>(c)] = set;
  }
  return classes;
}
}  // namespace detail

inline constexpr std::array<uint8_t, 256> kCharClasses = detail::make_char_classes();

[[nodiscard]] constexpr bool is_in(CharClass set, char c) noexcept {
  return (kCharClasses[static_cast<uint8_t>(c)] & set) != 0;
}

}  // namespace sluice::http
