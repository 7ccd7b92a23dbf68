#include "needle.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::usage {

namespace {

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

size_t skip_space(std::string_view text, size_t at) noexcept {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

// Bit i is set where `second` stands at bytes[i] and `last` at bytes[i + distance]; 16 places.
// The first byte of a needle is a quote as a rule, which JSON is full of, so it is not asked for.
uint32_t pair_mask(const char* bytes, size_t distance, char second, char last) noexcept {
#if defined(__SSE2__)
  const __m128i front = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const __m128i back = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + distance));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_and_si128(
      _mm_cmpeq_epi8(front, _mm_set1_epi8(second)), _mm_cmpeq_epi8(back, _mm_set1_epi8(last)))));
#else
  uint32_t mask = 0;
  for (unsigned i = 0; i < 16; ++i) {
    mask |= uint32_t{bytes[i] == second && bytes[i + distance] == last} << i;
  }
  return mask;
#endif
}

// Whether pair_mask() would find something at one of 64 places.
bool has_pair(const char* bytes, size_t distance, char second, char last) noexcept {
#if defined(__SSE2__)
  __m128i found = _mm_setzero_si128();
  for (unsigned i = 0; i < 64; i += 16) {
    const __m128i front = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
    const __m128i back = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i + distance));
    found = _mm_or_si128(found, _mm_and_si128(_mm_cmpeq_epi8(front, _mm_set1_epi8(second)),
                                              _mm_cmpeq_epi8(back, _mm_set1_epi8(last))));
  }
  return _mm_movemask_epi8(found) != 0;
#else
  (void)bytes, (void)distance, (void)second, (void)last;
  return true;
#endif
}

}  // namespace

size_t find_needle(std::string_view text, std::string_view needle, size_t from) noexcept {
  constexpr size_t kStep = 16;
  if (text.size() < from + needle.size()) return std::string_view::npos;
  const size_t distance = needle.size() - 2;
  const char second = needle[1];
  const char last = needle.back();
  const size_t end = text.size() - needle.size() + 1;  // No needle begins here or behind.
  const auto is_at = [&](size_t at) {
    return std::memcmp(text.data() + at, needle.data(), needle.size()) == 0;
  };
  size_t at = from;
  for (; end - from < kStep; ++at) {
    if (at == end) return std::string_view::npos;
    if (text[at + 1] == second && is_at(at)) return at;
  }
  while (at < end) {
    if (at + 4 * kStep <= end && !has_pair(text.data() + at + 1, distance, second, last)) {
      at += 4 * kStep;
      continue;
    }
    at = std::min(at, end - kStep);  // The last step may look at some places once more.
    uint32_t mask = pair_mask(text.data() + at + 1, distance, second, last);
    for (; mask != 0; mask &= mask - 1) {
      const size_t candidate = at + static_cast<size_t>(std::countr_zero(mask));
      if (is_at(candidate)) return candidate;
    }
    at += kStep;
  }
  return std::string_view::npos;
}

std::string_view find_value(std::string_view text, std::string_view key, size_t from,
                            size_t* after) noexcept {
  size_t at = find_needle(text, key, from);
  for (; at != std::string_view::npos; at = find_needle(text, key, at + key.size())) {
    const size_t colon = skip_space(text, at + key.size());
    if (colon < text.size() && text[colon] != ':') continue;
    const size_t value = skip_space(text, colon + 1);
    if (after != nullptr) *after = at + key.size();
    return value < text.size() ? text.substr(value) : std::string_view();
  }
  if (after != nullptr) *after = std::string_view::npos;
  return {};
}

bool may_have_object(std::string_view text, std::string_view key, size_t from) noexcept {
  size_t at = from;
  while (true) {
    const std::string_view value = find_value(text, key, at, &at);
    if (at == std::string_view::npos) return false;
    // Null, a number, ...: no object. The letter d begins the next data line of one event.
    if (value.empty() || value[0] == '{' || value[0] == 'd') return true;
  }
}

bool has_finish_reason(std::string_view text) noexcept {
  size_t at = 0;
  while (at != std::string_view::npos) {
    if (find_value(text, "\"finish_reason\"", at, &at).starts_with('"')) return true;
  }
  return false;
}

}  // namespace sluice::usage
