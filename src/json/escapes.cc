#include "escapes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include <sluice/base/assert.h>
#include <sluice/json/choice_fields.h>

#include "escape_masks.h"

namespace sluice::json {

namespace {

constexpr size_t kBlock = EscapeMasks::kBlock;

// Blocks classified at a time: enough to make the call cheap, few enough to stay in the cache.
constexpr size_t kStrip = 32;

constexpr std::array<int8_t, 256> make_hex_values() noexcept {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 10; ++i) values['0' + i] = static_cast<int8_t>(i);
  for (int i = 0; i < 6; ++i) {
    values['a' + i] = static_cast<int8_t>(10 + i);
    values['A' + i] = static_cast<int8_t>(10 + i);
  }
  return values;
}
constexpr auto kHexValues = make_hex_values();

// What a one-letter escape stands for; 0 where the letter begins none.
constexpr std::array<char, 256> make_letters() noexcept {
  std::array<char, 256> letters{};
  letters['"'] = '"';
  letters['\\'] = '\\';
  letters['/'] = '/';
  letters['b'] = '\b';
  letters['f'] = '\f';
  letters['n'] = '\n';
  letters['r'] = '\r';
  letters['t'] = '\t';
  return letters;
}
constexpr auto kLetters = make_letters();

// Negative unless all four digits are hexadecimal.
int32_t hex4(const char* digits) noexcept {
  int32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    value = value * 16 | kHexValues[static_cast<uint8_t>(digits[i])];
  }
  return value;
}

// Length of the escape that begins with the backslash at `at`; 0 when it is none.
size_t escape_length(const char* at) noexcept {
  if (kLetters[static_cast<uint8_t>(at[1])] != 0) return 2;
  return at[1] == 'u' && hex4(at + 2) >= 0 ? 6 : 0;
}

size_t put_utf8(uint32_t code_point, char* out) noexcept {
  if (code_point < 0x80) {
    out[0] = static_cast<char>(code_point);
    return 1;
  }
  if (code_point < 0x800) {
    out[0] = static_cast<char>(0xC0 | code_point >> 6);
    out[1] = static_cast<char>(0x80 | (code_point & 0x3F));
    return 2;
  }
  if (code_point < 0x10000) {
    out[0] = static_cast<char>(0xE0 | code_point >> 12);
    out[1] = static_cast<char>(0x80 | (code_point >> 6 & 0x3F));
    out[2] = static_cast<char>(0x80 | (code_point & 0x3F));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | code_point >> 18);
  out[1] = static_cast<char>(0x80 | (code_point >> 12 & 0x3F));
  out[2] = static_cast<char>(0x80 | (code_point >> 6 & 0x3F));
  out[3] = static_cast<char>(0x80 | (code_point & 0x3F));
  return 4;
}

bool is_high(uint32_t unit) noexcept { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(uint32_t unit) noexcept { return unit >= 0xDC00 && unit < 0xE000; }

// Takes one \uXXXX, or a surrogate pair of them, off the front of `raw`.
uint32_t take_code_point(std::string_view& raw) noexcept {
  const auto unit = static_cast<uint32_t>(hex4(raw.data() + 2));
  raw.remove_prefix(6);
  if (!is_high(unit)) return is_low(unit) ? 0xFFFD : unit;
  if (raw.size() < 6 || raw[0] != '\\' || raw[1] != 'u') return 0xFFFD;
  const auto second = static_cast<uint32_t>(hex4(raw.data() + 2));
  if (!is_low(second)) return 0xFFFD;
  raw.remove_prefix(6);
  return 0x10000 + ((unit - 0xD800) << 10 | (second - 0xDC00));
}

// Checks the escapes that begin at `starts`, one by one; a backslash that is the second byte of an
// escape begins none. Returns the bytes of the next block that the last escape reaches into, or
// kBad, with the place in `bad`.
constexpr size_t kBad = kBlock;
size_t check_block(std::string_view text, size_t block, uint64_t starts, size_t& bad) noexcept {
  while (starts != 0) {
    const auto at = static_cast<size_t>(std::countr_zero(starts));
    const size_t length = escape_length(text.data() + block + at);
    if (length == 0 || length > text.size() - block - at) {
      bad = block + at;
      return kBad;
    }
    if (at + length >= kBlock) return at + length - kBlock;
    starts &= ~uint64_t{0} << (at + length);
  }
  return 0;
}

}  // namespace

size_t find_bad_escape(std::string_view text) noexcept {
  static const ClassifyEscapes classify = choose_classify_escapes();
  const size_t first = text.find('\\');
  if (first == std::string_view::npos) return first;  // Short texts mostly hold none.
  std::array<EscapeMasks, kStrip> strip;
  size_t bad = std::string_view::npos;
  size_t reached = 0;  // Bytes of this block that belong to an escape begun in the last one.
  for (size_t begin = first / kBlock * kBlock; begin < text.size(); begin += kStrip * kBlock) {
    const size_t blocks = std::min((text.size() - begin + kBlock - 1) / kBlock, kStrip);
    classify(text.data() + begin, blocks, strip.data());
    for (size_t i = 0; i < blocks; ++i) {
      const EscapeMasks& masks = strip[i];
      const size_t rest = text.size() - begin - i * kBlock;
      uint64_t starts = masks.backslashes & ~uint64_t{0} << reached;
      // The usual block has letter escapes alone, no two of them touching; it is settled without a
      // branch for each. The last one goes the careful way: its letters may lie behind the text.
      if ((starts & (~masks.before_letter | starts << 1)) == 0 && rest > kBlock) {
        reached = starts >> 63;
        continue;
      }
      if (rest < kBlock) starts &= (uint64_t{1} << rest) - 1;
      reached = check_block(text, begin + i * kBlock, starts, bad);
      if (reached == kBad) return bad;
    }
  }
  return std::string_view::npos;
}

size_t unescape(std::string_view raw, std::span<char> out) noexcept {
  SLUICE_ASSERT(out.size() >= raw.size());
  char* end = out.data();
  while (!raw.empty()) {
    const size_t run = std::min(raw.find('\\'), raw.size());
    std::memcpy(end, raw.data(), run);
    end += run;
    raw.remove_prefix(run);
    if (raw.size() < 2) break;
    if (raw[1] == 'u') {
      if (raw.size() < 6) break;
      end += put_utf8(take_code_point(raw), end);
    } else {
      *end++ = kLetters[static_cast<uint8_t>(raw[1])];
      raw.remove_prefix(2);
    }
  }
  return static_cast<size_t>(end - out.data());
}

std::string_view take_character(std::string_view& raw, std::span<char, 4> scratch) noexcept {
  if (raw[0] == '\\' && raw.size() >= 2) {
    if (raw[1] == 'u' && raw.size() >= 6) {
      return {scratch.data(), put_utf8(take_code_point(raw), scratch.data())};
    }
    scratch[0] = kLetters[static_cast<uint8_t>(raw[1])];
    raw.remove_prefix(2);
    return {scratch.data(), 1};
  }
  const std::string_view character = raw.substr(0, 1);
  raw.remove_prefix(1);
  return character;
}

}  // namespace sluice::json
