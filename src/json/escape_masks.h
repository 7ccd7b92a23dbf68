// Where the backslashes of a text are, and whether a letter that can be escaped follows.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::json {

// One block of 64 bytes; bit i speaks of byte i.
struct EscapeMasks {
  static constexpr size_t kBlock = 64;
  uint64_t backslashes;
  uint64_t before_letter;  // The next byte is one of "\/bfnrt.
};

// Classifies `blocks` blocks from `bytes` on into `out`; reads one byte behind the last block.
using ClassifyEscapes = void (*)(const char* bytes, size_t blocks, EscapeMasks* out) noexcept;

// The fastest way this CPU knows.
[[nodiscard]] ClassifyEscapes choose_classify_escapes() noexcept;

// Works on every CPU.
void classify_escapes_generic(const char* bytes, size_t blocks, EscapeMasks* out) noexcept;

}  // namespace sluice::json
