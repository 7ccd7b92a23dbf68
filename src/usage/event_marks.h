// The places of an event stream that may matter to the tap, found in one pass.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::usage {

// Walks, in order, the control bytes of a text, which the line ends are among, and the quotes with
// one of `d` to `g`, `t` or `u` behind them, with which the keys begin by which an event is judged.
class EventMarks {
 public:
  static constexpr size_t npos = std::string_view::npos;

  // `text` must live as long.
  EventMarks(std::string_view text, size_t from) noexcept : text_(text), next_block_(from) {}

  // The offset of the next mark; npos when there is none.
  [[nodiscard]] size_t next() noexcept {
    while (mask_ == 0) {
      if (next_block_ >= text_.size()) return npos;
      block_at_ = next_block_;
      mask_ = mark_block();
      next_block_ += kBlock;
    }
    const size_t at = block_at_ + static_cast<size_t>(std::countr_zero(mask_));
    mask_ &= mask_ - 1;
    return at;
  }

 private:
  static constexpr size_t kBlock = 64;

  // The marks of one block. Reads the byte behind it, unless it is the `last`.
  static uint64_t marks_of(const char* bytes, bool is_last) noexcept {
    uint64_t mask = 0;
#if defined(__SSE2__)
    for (unsigned i = 0; i < kBlock; i += 16) {
      const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
      const __m128i next = is_last && i == kBlock - 16
                               ? _mm_srli_si128(here, 1)
                               : _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i + 1));
      const __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(here, _mm_set1_epi8(0x1f)), here);
      const __m128i is_quote = _mm_cmpeq_epi8(here, _mm_set1_epi8('"'));
      // Of `d` to `g` two bits differ, and of `t` and `u` one.
      const __m128i is_letter =
          _mm_or_si128(_mm_cmpeq_epi8(_mm_or_si128(next, _mm_set1_epi8(1)), _mm_set1_epi8('u')),
                       _mm_cmpeq_epi8(_mm_or_si128(next, _mm_set1_epi8(3)), _mm_set1_epi8('g')));
      const auto bits = static_cast<uint32_t>(
          _mm_movemask_epi8(_mm_or_si128(is_control, _mm_and_si128(is_quote, is_letter))));
      mask |= uint64_t{bits} << i;
    }
#else
    for (unsigned i = 0; i < kBlock; ++i) {
      const char next = is_last && i == kBlock - 1 ? ' ' : bytes[i + 1];
      const bool is_key = bytes[i] == '"' && ((next | 1) == 'u' || (next | 3) == 'g');
      mask |= uint64_t{is_key || static_cast<uint8_t>(bytes[i]) < 0x20} << i;
    }
#endif
    return mask;
  }

  [[nodiscard]] uint64_t mark_block() const noexcept {
    const size_t left = text_.size() - block_at_;
    if (left > kBlock) return marks_of(text_.data() + block_at_, false);
    if (text_.size() >= kBlock) {
      return marks_of(text_.data() + text_.size() - kBlock, true) >> (kBlock - left);
    }
    std::array<char, kBlock> rest;
    rest.fill(' ');
    std::memcpy(rest.data(), text_.data() + block_at_, left);
    return marks_of(rest.data(), true);
  }

  std::string_view text_;
  size_t next_block_;
  size_t block_at_ = 0;
  uint64_t mask_ = 0;  // The marks of the present block that are still to come.
};

}  // namespace sluice::usage
