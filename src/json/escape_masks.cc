#include "escape_masks.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace sluice::json {

namespace {

constexpr char kEscapable[] = {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'};

// A byte is one of the letters exactly when the two tables, asked for its low and its high four
// bits, share a bit. Each bit stands for one value of the high four.
struct NibbleTables {
  std::array<uint8_t, 16> low{};
  std::array<uint8_t, 16> high{};
};

constexpr NibbleTables make_tables() noexcept {
  NibbleTables tables;
  for (const char letter : kEscapable) {
    const unsigned bit = 1u << (static_cast<unsigned>(letter) >> 4);
    tables.low[static_cast<unsigned>(letter) & 15] |= static_cast<uint8_t>(bit);
    tables.high[static_cast<unsigned>(letter) >> 4] = static_cast<uint8_t>(bit);
  }
  return tables;
}

alignas(16) constexpr NibbleTables kTables = make_tables();

#if defined(__x86_64__)

__attribute__((target("avx2"))) void classify_escapes_avx2(const char* bytes, size_t blocks,
                                                           EscapeMasks* out) noexcept {
  const __m256i low_table = _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(kTables.low.data())));
  const __m256i high_table = _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(kTables.high.data())));
  const __m256i backslash = _mm256_set1_epi8('\\');
  const __m256i nibble = _mm256_set1_epi8(15);
  for (size_t i = 0; i < blocks; ++i) {
    uint64_t backslashes = 0;
    uint64_t others = 0;
    for (size_t half = 0; half < EscapeMasks::kBlock; half += 32) {
      const auto* const at =
          reinterpret_cast<const __m256i*>(bytes + i * EscapeMasks::kBlock + half);
      const auto* const behind =
          reinterpret_cast<const __m256i*>(bytes + i * EscapeMasks::kBlock + half + 1);
      const __m256i starts = _mm256_cmpeq_epi8(_mm256_loadu_si256(at), backslash);
      const __m256i next = _mm256_loadu_si256(behind);
      const __m256i low = _mm256_shuffle_epi8(low_table, _mm256_and_si256(next, nibble));
      const __m256i high =
          _mm256_shuffle_epi8(high_table, _mm256_and_si256(_mm256_srli_epi16(next, 4), nibble));
      const __m256i no_letter =
          _mm256_cmpeq_epi8(_mm256_and_si256(low, high), _mm256_setzero_si256());
      backslashes |= uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(starts))} << half;
      others |= uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(no_letter))} << half;
    }
    out[i] = {backslashes, ~others};
  }
}

#elif defined(__aarch64__)

uint64_t mask_of(const uint8x16_t (&part)[4]) noexcept {
  const uint8x16_t weights = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t halves =
      vpaddq_u8(vpaddq_u8(vandq_u8(part[0], weights), vandq_u8(part[1], weights)),
                vpaddq_u8(vandq_u8(part[2], weights), vandq_u8(part[3], weights)));
  return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(halves, halves)), 0);
}

void classify_escapes_neon(const char* bytes, size_t blocks, EscapeMasks* out) noexcept {
  const uint8x16_t low_table = vld1q_u8(kTables.low.data());
  const uint8x16_t high_table = vld1q_u8(kTables.high.data());
  const uint8x16_t backslash = vdupq_n_u8('\\');
  for (size_t i = 0; i < blocks; ++i) {
    const auto* const at = reinterpret_cast<const uint8_t*>(bytes) + i * EscapeMasks::kBlock;
    uint8x16_t starts[4];
    uint8x16_t letters[4];
    for (size_t j = 0; j < 4; ++j) {
      starts[j] = vceqq_u8(vld1q_u8(at + 16 * j), backslash);
      const uint8x16_t next = vld1q_u8(at + 16 * j + 1);
      letters[j] = vtstq_u8(vqtbl1q_u8(low_table, vandq_u8(next, vdupq_n_u8(15))),
                            vqtbl1q_u8(high_table, vshrq_n_u8(next, 4)));
    }
    out[i] = {mask_of(starts), mask_of(letters)};
  }
}

#endif

}  // namespace

void classify_escapes_generic(const char* bytes, size_t blocks, EscapeMasks* out) noexcept {
  for (size_t i = 0; i < blocks; ++i) {
    const char* const block = bytes + i * EscapeMasks::kBlock;
    uint64_t backslashes = 0;
#if defined(__x86_64__)
    for (size_t j = 0; j < EscapeMasks::kBlock; j += 16) {
      const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + j));
      const int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(part, _mm_set1_epi8('\\')));
      backslashes |= uint64_t{static_cast<uint32_t>(bits)} << j;
    }
#else
    for (size_t j = 0; j < EscapeMasks::kBlock; ++j) {
      backslashes |= uint64_t{block[j] == '\\'} << j;
    }
#endif
    uint64_t before_letter = 0;
    for (uint64_t rest = backslashes; rest != 0; rest &= rest - 1) {
      const auto next = static_cast<uint8_t>(block[__builtin_ctzll(rest) + 1]);
      const bool is_letter = (kTables.low[next & 15] & kTables.high[next >> 4]) != 0;
      if (is_letter) before_letter |= rest & -rest;
    }
    out[i] = {backslashes, before_letter};
  }
}

ClassifyEscapes choose_classify_escapes() noexcept {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") ? classify_escapes_avx2 : classify_escapes_generic;
#elif defined(__aarch64__)
  return classify_escapes_neon;
#else
  return classify_escapes_generic;
#endif
}

}  // namespace sluice::json
