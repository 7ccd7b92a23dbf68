// A chunk as nearly all are, found at a glance; every other one is the ChunkedDecoder's business.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::http {

// The value of each hexadecimal digit, -1 for other bytes.
inline constexpr std::array<int8_t, 256> kHexDigits = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 10; ++i) values[static_cast<size_t>('0' + i)] = static_cast<int8_t>(i);
  for (int i = 10; i < 16; ++i) {
    values[static_cast<size_t>('a' + i - 10)] = static_cast<int8_t>(i);
    values[static_cast<size_t>('A' + i - 10)] = static_cast<int8_t>(i);
  }
  return values;
}();

// The payload of the chunk that begins at `at`, with `at` moved behind the chunk, if it lies whole
// in `bytes` and has no extension and a short size; empty for any other and for the last.
[[nodiscard]] inline std::string_view find_whole_chunk(std::string_view bytes,
                                                       size_t& at) noexcept {
  constexpr size_t kDigitsMax = 7;
  constexpr size_t kLineEndBytes = 2;
  const char* const begin = bytes.data() + at;
  const size_t left = bytes.size() - at;
  // Room for all digits and the line end behind them spares a check for each; a shorter rest, of a
  // few bytes, is read byte by byte.
  if (left < kDigitsMax + kLineEndBytes) return {};
  size_t digits = 0;
  size_t size = 0;
  for (; digits < kDigitsMax; ++digits) {
    const int digit = kHexDigits[static_cast<uint8_t>(begin[digits])];
    if (digit < 0) break;
    size = size * 16 + static_cast<size_t>(digit);
  }
  const char* const payload = begin + digits + kLineEndBytes;
  if (size == 0 || left < digits + size + 2 * kLineEndBytes) return {};
  if (payload[-2] != '\r' || payload[-1] != '\n') return {};
  if (payload[size] != '\r' || payload[size + 1] != '\n') return {};
  at += digits + size + 2 * kLineEndBytes;
  return {payload, size};
}

}  // namespace sluice::http
