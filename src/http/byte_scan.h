// Finds the first byte that ends or breaks a token, a target, a host, a field value or a line.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::http {

// Each function returns the first byte in [begin, end) that is not in its set, or `end`. None
// reads outside [begin, end).
struct ByteScan {
  using Scan = const char* (*)(const char* begin, const char* end) noexcept;
  Scan token;   // RFC 9110 token characters.
  Scan target;  // Characters that RFC 3986 allows in a path or query.
  Scan value;   // Field values: everything but controls; the tab is allowed.
  Scan line;    // Everything but CR and LF.
  Scan host;    // Registered names: RFC 3986 without the comma, which would hide a list.
};

namespace detail {
extern const ByteScan* chosen_byte_scan;
}

// The widest version that this machine can run, chosen once at start.
[[nodiscard]] inline const ByteScan& byte_scan() noexcept { return *detail::chosen_byte_scan; }

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
  kHostChar = 16,
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
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
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

namespace detail {

#if defined(__x86_64__)
// SSE2 has no byte shuffle, so the sets with many gaps are tested against their dense core; what
// falls outside the core is looked up in the table.
inline __m128i in_range(__m128i bytes, char low, char high) noexcept {
  const __m128i shifted = _mm_sub_epi8(bytes, _mm_set1_epi8(low));
  const __m128i width = _mm_set1_epi8(static_cast<char>(high - low));
  return _mm_cmpeq_epi8(_mm_min_epu8(shifted, width), shifted);
}

template <CharClass kSet>
uint32_t outside_sse2(__m128i bytes) noexcept {
  __m128i bad;
  if constexpr (kSet == kLineChar) {
    bad = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')),
                       _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')));
  } else if constexpr (kSet == kValueChar) {
    const __m128i control =
        _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')), in_range(bytes, 0, 0x1f));
    bad = _mm_or_si128(control, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
  } else {
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i letter = in_range(folded, 'a', 'z');
    const __m128i dash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'));
    __m128i other;
    if constexpr (kSet == kTargetChar) {
      other = in_range(bytes, '-', ':');
    } else if constexpr (kSet == kHostChar) {
      other = _mm_or_si128(in_range(bytes, '0', '9'),
                           _mm_or_si128(dash, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('.'))));
    } else {
      other = _mm_or_si128(in_range(bytes, '0', '9'), dash);
    }
    const __m128i good = _mm_or_si128(letter, other);
    return static_cast<uint32_t>(_mm_movemask_epi8(good)) ^ 0xffffu;
  }
  return static_cast<uint32_t>(_mm_movemask_epi8(bad));
}
#endif

// SSE2 tests these sets exactly; the others only by their dense core.
constexpr bool is_exact(CharClass set) noexcept { return set == kValueChar || set == kLineChar; }

// Tests the first bytes in place, since most names and values are short, and calls the widest
// version for what is left.
template <CharClass kSet, ByteScan::Scan ByteScan::* kRest>
const char* scan_near(const char* begin, const char* end) noexcept {
#if defined(__x86_64__)
  for (int block = 0; block < 3 && end - begin >= 16; ++block) {
    const uint32_t bad =
        outside_sse2<kSet>(_mm_loadu_si128(reinterpret_cast<const __m128i*>(begin)));
    if (bad == 0) {
      begin += 16;
      continue;
    }
    begin += std::countr_zero(bad);
    if (is_exact(kSet) || !is_in(kSet, *begin)) return begin;
    ++begin;
  }
#endif
  return (byte_scan().*kRest)(begin, end);
}

}  // namespace detail

[[nodiscard]] inline const char* scan_token(const char* begin, const char* end) noexcept {
  return detail::scan_near<kTokenChar, &ByteScan::token>(begin, end);
}
[[nodiscard]] inline const char* scan_target(const char* begin, const char* end) noexcept {
  return detail::scan_near<kTargetChar, &ByteScan::target>(begin, end);
}
[[nodiscard]] inline const char* scan_host(const char* begin, const char* end) noexcept {
  return detail::scan_near<kHostChar, &ByteScan::host>(begin, end);
}
[[nodiscard]] inline const char* scan_value(const char* begin, const char* end) noexcept {
  return detail::scan_near<kValueChar, &ByteScan::value>(begin, end);
}

}  // namespace sluice::http
