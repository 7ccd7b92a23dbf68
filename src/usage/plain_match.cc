#include "plain_match.h"

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::usage {
namespace {

bool ends_text(char c) noexcept { return c == '"' || static_cast<uint8_t>(c) < 0x20; }

size_t find_text_end_bytewise(std::string_view text, size_t at) noexcept {
  while (at < text.size() && !ends_text(text[at])) ++at;
  return at;
}

size_t match_narrow(std::string_view span, size_t begin, const LearnedEvent& learned) noexcept {
  if (span.size() - begin < size_t{learned.before_bytes} + learned.behind_bytes) return npos;
  if (std::memcmp(span.data() + begin, learned.before.data(), learned.before_bytes) != 0) {
    return npos;
  }
  const size_t text_begin = begin + learned.before_bytes;
  const size_t text_end = find_text_end(span, text_begin);
  if (text_end == text_begin || span.size() - text_end < learned.behind_bytes) return npos;
  if (span[text_end - 1] == '\\') return npos;
  const char* const behind = span.data() + text_end;
  if (std::memcmp(behind, learned.behind.data(), learned.behind_bytes) != 0) return npos;
  return text_end + learned.behind_bytes;
}

#if defined(__x86_64__)

// As memcmp() == 0, in place: a call for each side would cost more than the comparing.
[[gnu::target("avx2")]] inline bool are_equal(const char* left, const char* right,
                                              size_t bytes) noexcept {
  if (bytes < 32) {
    if (bytes < 16) return std::memcmp(left, right, bytes) == 0;
    const auto* const a = reinterpret_cast<const __m128i*>(left);
    const auto* const b = reinterpret_cast<const __m128i*>(right);
    const auto* const a_end = reinterpret_cast<const __m128i*>(left + bytes - 16);
    const auto* const b_end = reinterpret_cast<const __m128i*>(right + bytes - 16);
    const __m128i differing =
        _mm_or_si128(_mm_xor_si128(_mm_loadu_si128(a), _mm_loadu_si128(b)),
                     _mm_xor_si128(_mm_loadu_si128(a_end), _mm_loadu_si128(b_end)));
    return _mm_testz_si128(differing, differing) != 0;
  }
  // The last 32 bytes, which overlap those before them, come first.
  __m256i differing =
      _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(left + bytes - 32)),
                       _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right + bytes - 32)));
  for (size_t at = 0; at + 32 < bytes; at += 32) {
    differing = _mm256_or_si256(
        differing,
        _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(left + at)),
                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right + at))));
  }
  return _mm256_testz_si256(differing, differing) != 0;
}

[[gnu::target("avx2")]] size_t match_wide(std::string_view span, size_t begin,
                                          const LearnedEvent& learned) noexcept {
  if (span.size() - begin < size_t{learned.before_bytes} + learned.behind_bytes) return npos;
  if (!are_equal(span.data() + begin, learned.before.data(), learned.before_bytes)) return npos;
  const size_t text_begin = begin + learned.before_bytes;
  size_t text_end = text_begin;
  for (;; text_end += 32) {
    if (text_end + 32 > span.size()) {
      text_end = find_text_end_bytewise(span, text_end);
      break;
    }
    const __m256i bytes =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(span.data() + text_end));
    const __m256i is_control =
        _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    const __m256i is_quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
    const auto ends =
        static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_or_si256(is_control, is_quote)));
    if (ends != 0) {
      text_end += static_cast<size_t>(std::countr_zero(ends));
      break;
    }
  }
  if (text_end == text_begin || span.size() - text_end < learned.behind_bytes) return npos;
  if (span[text_end - 1] == '\\') return npos;
  if (!are_equal(span.data() + text_end, learned.behind.data(), learned.behind_bytes)) return npos;
  return text_end + learned.behind_bytes;
}

#endif

}  // namespace

size_t find_text_end(std::string_view text, size_t at) noexcept {
#if defined(__x86_64__)
  const auto ends_among = [&text](size_t from) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + from));
    const __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    return _mm_or_si128(is_control, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
  };
  for (; at + 32 <= text.size(); at += 32) {
    const auto low = static_cast<uint32_t>(_mm_movemask_epi8(ends_among(at)));
    const auto high = static_cast<uint32_t>(_mm_movemask_epi8(ends_among(at + 16)));
    if (const uint32_t ends = low | high << 16; ends != 0) {
      return at + static_cast<size_t>(std::countr_zero(ends));
    }
  }
#endif
  return find_text_end_bytewise(text, at);
}

MatchEvent narrow_match_event() noexcept { return match_narrow; }

MatchEvent wide_match_event() noexcept {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") ? match_wide : nullptr;
#else
  return nullptr;
#endif
}

// Valid before it is chosen, should anything be matched during static initialisation.
constinit MatchEvent detail::chosen_match_event = match_narrow;

namespace {
[[maybe_unused]] const bool is_chosen = [] {
  if (const MatchEvent wide = wide_match_event()) detail::chosen_match_event = wide;
  return true;
}();
}  // namespace

}  // namespace sluice::usage
