#include "byte_scan.h"

#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::http {
namespace {

template <CharClass kSet>
const char* scan_scalar(const char* begin, const char* end) noexcept {
  while (begin != end && is_in(kSet, *begin)) ++begin;
  return begin;
}

constexpr ByteScan kScalar = {scan_scalar<kTokenChar>, scan_scalar<kTargetChar>,
                              scan_scalar<kValueChar>, scan_scalar<kLineChar>,
                              scan_scalar<kHostChar>};

#if defined(__x86_64__)

template <CharClass kSet>
const char* scan_sse2(const char* begin, const char* end) noexcept {
  while (end - begin >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(begin));
    const uint32_t bad = detail::outside_sse2<kSet>(bytes);
    if (bad == 0) {
      begin += 16;
      continue;
    }
    begin += std::countr_zero(bad);
    if (!is_in(kSet, *begin)) return begin;
    ++begin;
  }
  return scan_scalar<kSet>(begin, end);
}

constexpr ByteScan kSse2 = {scan_sse2<kTokenChar>, scan_sse2<kTargetChar>, scan_sse2<kValueChar>,
                            scan_sse2<kLineChar>, scan_sse2<kHostChar>};

// A set of ASCII characters as two tables for the byte shuffle: `low` gives, for the low half of
// a byte, one bit per high half with which it forms a member.
struct NibbleSet {
  alignas(32) std::array<uint8_t, 32> low{};
};

template <CharClass kSet>
constexpr NibbleSet make_nibble_set() {
  NibbleSet set;
  for (size_t c = 0; c < 128; ++c) {
    if ((kCharClasses[c] & kSet) == 0) continue;
    const auto bit = static_cast<uint8_t>(1u << (c >> 4));
    set.low[c & 15] |= bit;
    set.low[(c & 15) + 16] |= bit;
  }
  return set;
}

template <CharClass kSet>
constexpr NibbleSet kNibbleSet = make_nibble_set<kSet>();

template <CharClass kSet>
[[gnu::target("avx2")]] inline uint32_t outside_avx2(__m256i bytes) noexcept {
  __m256i bad;
  if constexpr (kSet == kLineChar) {
    bad = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\n')),
                          _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\r')));
  } else if constexpr (kSet == kValueChar) {
    const __m256i control =
        _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    const __m256i tab = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t'));
    bad = _mm256_or_si256(_mm256_andnot_si256(tab, control),
                          _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f)));
  } else {
    // A byte above 0x7f selects zero in the first shuffle, so it is never a member.
    const __m256i low =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(kNibbleSet<kSet>.low.data()));
    const __m256i high = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                                          2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i upper = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0f));
    const __m256i member =
        _mm256_and_si256(_mm256_shuffle_epi8(low, bytes), _mm256_shuffle_epi8(high, upper));
    bad = _mm256_cmpeq_epi8(member, _mm256_setzero_si256());
  }
  return static_cast<uint32_t>(_mm256_movemask_epi8(bad));
}

template <CharClass kSet>
[[gnu::target("avx2")]] const char* scan_avx2(const char* begin, const char* end) noexcept {
  if (end - begin < 32) return scan_sse2<kSet>(begin, end);
  for (; end - begin >= 32; begin += 32) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(begin));
    const uint32_t bad = outside_avx2<kSet>(bytes);
    if (bad != 0) return begin + std::countr_zero(bad);
  }
  if (begin == end) return end;
  // The rest once more with the bytes before it, which are known to be members.
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(end - 32));
  const uint32_t bad = outside_avx2<kSet>(bytes);
  return bad != 0 ? end - 32 + std::countr_zero(bad) : end;
}

constexpr ByteScan kAvx2 = {scan_avx2<kTokenChar>, scan_avx2<kTargetChar>, scan_avx2<kValueChar>,
                            scan_avx2<kLineChar>, scan_avx2<kHostChar>};

#endif

const ByteScan* choose() noexcept {
  if (const ByteScan* avx2 = avx2_byte_scan()) return avx2;
  if (const ByteScan* sse2 = sse2_byte_scan()) return sse2;
  return &scalar_byte_scan();
}

}  // namespace

// Valid before it is chosen, should anything parse during static initialisation.
constinit const ByteScan* detail::chosen_byte_scan = &kScalar;

namespace {
[[maybe_unused]] const bool is_chosen = (detail::chosen_byte_scan = choose(), true);
}

const ByteScan& scalar_byte_scan() noexcept { return kScalar; }

const ByteScan* sse2_byte_scan() noexcept {
#if defined(__x86_64__)
  return &kSse2;
#else
  return nullptr;
#endif
}

const ByteScan* avx2_byte_scan() noexcept {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") ? &kAvx2 : nullptr;
#else
  return nullptr;
#endif
}

}  // namespace sluice::http
