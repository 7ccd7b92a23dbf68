// Cuts a fuzzer's input into pieces that the input itself chooses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::fuzz {

// Ends the run with what was expected; the fuzzer then keeps the input.
inline void expect(bool condition, const char* sentence) {
  if (condition) return;
  std::fputs(sentence, stderr);
  std::fputc('\n', stderr);
  std::abort();
}

// The input less its first two bytes, which seed the cuts.
struct Pieces {
  std::string_view text;
  std::vector<size_t> cuts;  // Ascending, each below text.size(); may be empty.
};

inline Pieces make_pieces(const uint8_t* bytes, size_t size) {
  Pieces pieces;
  if (size < 2) return pieces;
  pieces.text = {reinterpret_cast<const char*>(bytes) + 2, size - 2};
  uint32_t state = static_cast<uint32_t>(bytes[0]) << 8 | bytes[1] | 0x10000u;
  const uint32_t width = 1 + bytes[0] % 32u;
  const auto step = [&] {
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % width;
  };
  for (size_t at = step(); at < pieces.text.size(); at += 1 + step()) pieces.cuts.push_back(at);
  return pieces;
}

// The text in an allocation of just its size, so that a read outside it is seen.
inline std::vector<char> copy_of(std::string_view text) { return {text.begin(), text.end()}; }
inline std::string_view view_of(const std::vector<char>& text) {
  return {text.data(), text.size()};
}

}  // namespace sluice::fuzz
